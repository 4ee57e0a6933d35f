// What every check has for itself: a daemon, a cutter in front of it, recordings.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Cutter } from './cutter.mjs';
import { Daemon } from './daemon.mjs';
import { PageServer } from './page_server.mjs';
import { Program } from './program.mjs';
import { MIB, WORDS, ramble, record } from './recording.mjs';
import { until } from './waiting.mjs';

/** Of every client here; a new PATCH begins after so many bytes. */
const CHUNK_BYTES = 50 * MIB;
const PROGRAMS = fileURLToPath(new URL('../programs', import.meta.url));

export class Rig {
    #programs = [];
    #browsers = [];

    /** `isPageAllowed`: whether the pages of another origin may use the daemon. */
    static async setUp({ isPageAllowed = true, ...options }) {
        const rig = new Rig();
        rig.folder = mkdtempSync(join(process.env.CLIENTS_WORK, 'rig-'));
        rig.pages = await PageServer.listen(options.host ?? '127.0.0.1');
        if (isPageAllowed) {
            options.http = `cors_origins = ['${rig.pages.origin}']\n${options.http ?? ''}`;
        }
        rig.daemon = await Daemon.start(rig.folder, options);
        rig.cutter = await Cutter.listen(() => ({ host: rig.daemon.host, port: rig.daemon.port }));
        rig.server = rig.cutter.address;
        return rig;
    }

    record(bytes = 100 * MIB, name = 'interview.wav') {
        return record(join(this.folder, name), bytes);
    }

    /** The same words over and over, for minutes. */
    ramble() {
        return { path: ramble(join(this.folder, 'long.wav')) };
    }

    /** A client in Node. */
    node(recording, job = {}) {
        return this.#program(['node', join(PROGRAMS, 'tus-node.mjs')], recording, job);
    }

    /** A client in Python. */
    tuspy(recording, job = {}) {
        return this.#program([process.env.CLIENTS_PYTHON, join(PROGRAMS, 'tuspy-client.py')], recording, job);
    }

    /** The package of OpenAI for Python; it gets its token as the key. */
    openai(recording, job = {}) {
        return this.#program([process.env.CLIENTS_PYTHON, join(PROGRAMS, 'openai-client.py')], recording, job);
    }

    /** Chromium, where nothing is uploaded yet; with our page of another origin or that at `address`. */
    async browser(address, more = []) {
        const { Browser } = await import('./browser.mjs');
        const browser = await Browser.at(this.folder, address ?? (await this.pages.uploadPage()), more);
        this.#browsers.push(browser);
        return browser;
    }

    /** What a client has to do. */
    job(recording, more) {
        const metadata = { filename: basename(recording.path) };
        return { server: this.server, headers: this.headers, file: recording.path, metadata, ...more };
    }

    #program(command, recording, job) {
        const program = new Program(command, this.job(recording, job));
        this.#programs.push(program);
        return program;
    }

    /** From now on only those are served who show a token, as everybody here then does. */
    async lock() {
        this.headers = { Authorization: `Bearer ${await this.daemon.token('clients')}` };
    }

    /** Asks the daemon itself, without a cutter. */
    fetch(path, options = {}) {
        return fetch(this.daemon.address + path, { ...options, headers: { ...this.headers, ...options.headers } });
    }

    /** The upload at `url` is the recording, bit for bit, and was understood. */
    async expectArrived(recording, url) {
        const path = new URL(url).pathname;
        const answer = await this.fetch(path);
        assert.equal(answer.status, 200, `GET ${path}`);
        const hash = createHash('sha256');
        for await (const chunk of answer.body) hash.update(chunk);
        assert.equal(hash.digest('hex'), recording.hash, 'other bytes arrived than were sent');
        const id = basename(path);
        const task = await this.task(id);
        assert.equal(task.status, 'completed', task.error);
        const transcript = await this.fetch(`/task/${id}/transcript`);
        assert.equal((await transcript.text()).trim(), WORDS);
        await this.expectOneTask(id);
    }

    /** A task once it has ended. */
    task(id) {
        return until('the recording is transcribed', async () => {
            const task = await (await this.fetch(`/task/${id}`)).json();
            return ['completed', 'failed'].includes(task.status) && task;
        });
    }

    /** The same; the faults did happen, and after none of them it was begun anew. */
    async expectResumed(recording, url) {
        await this.expectArrived(recording, url);
        this.cutter.expectStruck();
        this.expectAlone(url);
        this.expectThrifty(recording);
    }

    /** There is one task, however many requests, connections and parts it took. */
    async expectOneTask(id) {
        const { tasks } = await (await this.fetch('/task/all')).json();
        assert.deepEqual(tasks.map((task) => task.identifier), [id], 'tasks');
    }

    /** There is no other upload, as there would be if one had been begun anew. */
    expectAlone(url) {
        assert.deepEqual(this.daemon.uploads(), [basename(new URL(url).pathname)], 'uploads on disk');
    }

    /** No fault has cost more than a chunk of what was sent before it. */
    expectThrifty(recording) {
        const { carried, faultsStruck } = this.cutter;
        const limit = recording.bytes + faultsStruck * CHUNK_BYTES + MIB;
        assert.ok(carried <= limit, `${carried} bytes were sent for a file of ${recording.bytes}`);
    }

    /** What there is to say about a failure. */
    log() {
        const daemon = readFileSync(this.daemon.log, 'utf8').trim().split('\n').slice(-30);
        const pages = this.#browsers.flatMap((browser) => browser.complaints);
        return [...daemon.map((line) => `daemon: ${line}`), ...pages.map((line) => `page: ${line}`)];
    }

    async takeDown() {
        for (const browser of this.#browsers) await browser.close();
        for (const program of this.#programs) program.process.kill('SIGKILL');
        this.cutter.close();
        this.pages.close();
        await this.daemon.stop();
        rmSync(this.folder, { recursive: true, force: true });
    }
}
