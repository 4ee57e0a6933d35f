// A TCP proxy that does to connections what bad networks and crashes do.
import { once } from 'node:events';
import net from 'node:net';
import { pipeline } from 'node:stream/promises';

/**
 * Passes connections on to `target()`, and lets faults happen, in order, each
 * as soon as `after` bytes of clients were carried, all connections together:
 *
 * - `{ after, reset: true }`: the connection is reset on both sides;
 * - `{ after, loseAnswer: true }`: it is reset when the next answer begins;
 * - `{ after, flip: true }`: a bit of the next byte is changed;
 * - `{ after, hold: async () => {} }`: it stands still until that is done.
 */
export class Cutter {
    faults = [];
    /** Bytes of clients that were passed on. */
    carried = 0;
    faultsStruck = 0;
    #losesAnswer = false;
    #striking = 0;
    #waiting = [];
    #trouble = null;
    #sockets = new Set();
    #torn = false;

    static async listen(target) {
        const cutter = new Cutter();
        cutter.target = target;
        cutter.listener = net.createServer({ allowHalfOpen: true }, (client) => cutter.#connect(client));
        cutter.listener.listen(0, '127.0.0.1');
        await once(cutter.listener, 'listening');
        return cutter;
    }

    get address() {
        return `http://127.0.0.1:${this.listener.address().port}`;
    }

    /** Waits until every fault has happened. */
    async struck() {
        if (this.faults.length > 0 || this.#striking > 0) {
            await new Promise((resolve) => this.#waiting.push(resolve));
        }
        this.expectStruck();
    }

    /** A test whose faults did not happen has tested nothing. */
    expectStruck() {
        if (this.#trouble) throw this.#trouble;
        if (this.faults.length > 0) throw new Error(`${this.faults.length} faults did not happen`);
        if (this.#losesAnswer) throw new Error('no answer was lost');
    }

    /** No bytes and no connections get through until `mend` is called. */
    tear() {
        this.#torn = true;
        for (const socket of this.#sockets) socket.resetAndDestroy();
    }

    mend() {
        this.#torn = false;
    }

    close() {
        this.listener.close();
        this.tear();
    }

    #connect(client) {
        client.on('error', () => {});
        if (this.#torn) {
            client.resetAndDestroy();
            return;
        }
        const server = net.connect({ ...this.target(), allowHalfOpen: true });
        for (const socket of [client, server]) {
            this.#sockets.add(socket);
            socket.once('close', () => this.#sockets.delete(socket));
        }
        const reset = () => {
            client.resetAndDestroy();
            server.resetAndDestroy();
        };
        // An error on one side is passed to the other, and that is all.
        pipeline(client, (chunks) => this.#toServer(chunks, reset), server).catch(reset);
        pipeline(server, (chunks) => this.#toClient(chunks, reset), client).catch(reset);
    }

    async *#toServer(chunks, reset) {
        for await (let chunk of chunks) {
            while (this.faults.length > 0 && this.carried + chunk.length > this.faults[0].after) {
                const fault = this.faults.shift();
                const before = chunk.subarray(0, Math.max(0, fault.after - this.carried));
                chunk = Buffer.from(chunk.subarray(before.length));
                this.carried += before.length;
                yield before;
                await this.#strike(fault, chunk, reset);
            }
            this.carried += chunk.length;
            yield chunk;
        }
    }

    async *#toClient(chunks, reset) {
        for await (const chunk of chunks) {
            if (this.#losesAnswer) {
                this.#losesAnswer = false;
                reset();
            }
            yield chunk;
        }
    }

    async #strike(fault, chunk, reset) {
        this.#striking += 1;
        this.faultsStruck += 1;
        try {
            if (fault.flip) chunk[0] ^= 1;
            if (fault.loseAnswer) this.#losesAnswer = true;
            if (fault.reset) reset();
            await fault.hold?.();
        } catch (error) {
            this.#trouble = error;
        }
        this.#striking -= 1;
        if (this.faults.length === 0 && this.#striking === 0) this.#waiting.splice(0).forEach((resolve) => resolve());
    }
}
