// The real daemon, with a state directory of its own.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { until } from './waiting.mjs';

const PROGRAM = join(process.env.CLIENTS_PROGRAMS, 'scribed');

/** A child that cannot outlive this process, however it ends. */
export function mortal(command, options) {
    return spawn('setpriv', ['--pdeathsig', 'KILL', ...command], options);
}

export class Daemon {
    /** `host` is where it listens; the rest are sections of its configuration, in TOML. */
    static async start(folder, { host = '127.0.0.1', auth = '', ...sections } = {}) {
        const daemon = new Daemon();
        daemon.host = host;
        daemon.state = join(folder, 'state');
        daemon.log = join(folder, 'log');
        daemon.configuration = join(folder, 'scribed.toml');
        sections.auth = `tokens_file = '${join(folder, 'tokens')}'\n${auth}`;
        const toml = Object.entries(sections).map(([name, keys]) => `[${name}]\n${keys}\n`);
        writeFileSync(daemon.configuration, toml.join(''));
        writeFileSync(daemon.log, '');
        daemon.arguments = ['--config', daemon.configuration, '--listen', `${host}:0`, '--state-dir', daemon.state,
            '--models-dir', join(folder, 'models')];
        await daemon.#serve();
        return daemon;
    }

    async #serve() {
        const before = readFileSync(this.log, 'utf8').length;
        const log = openSync(this.log, 'a');
        this.process = mortal([PROGRAM, 'serve', ...this.arguments], { stdio: ['ignore', log, log] });
        closeSync(log);
        this.ended = once(this.process, 'exit');
        await until('the daemon listens', () => {
            if (this.process.exitCode !== null) throw new Error('the daemon did not start');
            const listening = /^listening on http:\/\/.*:(\d+)$/m.exec(readFileSync(this.log, 'utf8').slice(before));
            if (listening) this.port = Number(listening[1]);
            return listening;
        });
    }

    get address() {
        return `http://${this.host}:${this.port}`;
    }

    /** It is killed in the middle of everything, and started again. */
    async crash() {
        this.process.kill('SIGKILL');
        await this.ended;
        await this.#serve();
    }

    async stop() {
        this.process.kill('SIGTERM');
        const late = setTimeout(() => this.process.kill('SIGKILL'), 10_000);
        await this.ended;
        clearTimeout(late);
    }

    /** The first token; from now on nothing is answered without one. */
    async token(name) {
        const made = spawnSync(PROGRAM, ['tokens', 'add', name, '--config', this.configuration], { encoding: 'utf8' });
        if (made.status !== 0) throw new Error(made.stderr);
        this.process.kill('SIGHUP');
        await until('a token is needed', async () => (await fetch(`${this.address}/task/all`)).status === 401);
        return /scribed_\S+/.exec(made.stdout)[0];
    }

    /** The ids of all uploads that are there. */
    uploads() {
        return readdirSync(join(this.state, 'uploads'));
    }
}
