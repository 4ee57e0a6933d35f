// A client that runs as a process of its own: it gets its job as an argument,
// its commands on standard input, and reports what happens as lines of JSON.
import { createInterface } from 'node:readline';
import { once } from 'node:events';

import { mortal } from './daemon.mjs';

/** In a network of its own, where there is one. */
const PLACE = process.env.LAN_CLIENT ? ['nsenter', `--net=${process.env.LAN_CLIENT}`] : [];

/** What a command of a shell says, and its exit status. */
export async function run(command, options) {
    const script = ['bash', '-o', 'pipefail', '-c', command];
    const bash = mortal([...PLACE, ...script], { ...options, stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    bash.stdout.setEncoding('utf8').on('data', (chunk) => (said += chunk));
    const [status] = await once(bash, 'close');
    return { said, status };
}

/** What it says; that it fails is no matter. */
export async function shell(command, options) {
    return (await run(command, options)).said;
}

export class Program {
    #asked = [];
    #complaints = '';

    constructor(command, job) {
        this.process = mortal([...PLACE, ...command, JSON.stringify(job)], { stdio: 'pipe' });
        this.process.stdin.on('error', () => {});
        this.process.stderr.on('data', (chunk) => (this.#complaints += chunk));
        this.exited = once(this.process, 'exit');
        // The URL of an upload, or what else was wanted.
        this.url = new Promise((resolve, reject) => {
            createInterface(this.process.stdout).on('line', (line) => {
                const report = JSON.parse(line);
                if (report.done) this.#asked.shift()?.();
                if (report.error) reject(new Error(report.error));
                if (report.url ?? report.result) resolve(report.url ?? report.result);
            });
            this.process.once('close', (status, signal) => {
                reject(new Error(`the client ended (${signal ?? status}) ${this.#complaints}`));
            });
        });
        // Those that kill it do not ask for what came of it.
        this.url.catch(() => {});
    }

    /** Returns once the client has done it. */
    async ask(command) {
        const done = new Promise((resolve) => this.#asked.push(resolve));
        this.process.stdin.write(`${command}\n`);
        await Promise.race([done, this.url]);
    }

    async kill() {
        this.process.kill('SIGKILL');
        await this.exited;
    }
}
