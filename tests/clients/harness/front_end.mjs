// The application in `front_end`, built into a folder, and a user of it.
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

import { until } from './waiting.mjs';

const SOURCES = fileURLToPath(new URL('../front_end/', import.meta.url));
/** Where the built one lies. */
export const BUILT = join(process.env.CLIENTS_WORK, 'front_end');

await build({
    entryPoints: [join(SOURCES, 'main.mjs')],
    outfile: join(BUILT, 'main.js'),
    bundle: true,
    minify: true,
    format: 'esm',
});
copyFileSync(join(SOURCES, 'index.html'), join(BUILT, 'index.html'));

/** Sees what the page shows and does what people do. */
export class User {
    /** Opens the application, whatever its address. */
    static async at(rig) {
        const user = new User();
        user.browser = await rig.browser(`${rig.server}/ui/`);
        user.page = user.browser.page;
        return user;
    }

    text(selector) {
        return this.page.$eval(selector, (found) => found.textContent);
    }

    /** Waits until something is shown that the text fits to. */
    async sees(selector, wanted) {
        let shown;
        const look = async () => {
            shown = await this.text(selector).catch(() => undefined);
            return shown !== undefined && wanted.test(shown);
        };
        await until(`${selector} shows ${wanted}`, look).catch((error) => {
            throw new Error(`${error.message}; it shows ${JSON.stringify(shown)}`);
        });
        return shown;
    }

    async picks(recording) {
        const input = await this.page.$('#file');
        await input.uploadFile(recording.path);
    }

    async clicks(selector) {
        await this.page.click(selector);
    }

    /** Replaces what is written in a field. */
    async writes(selector, text) {
        await this.page.click(selector, { count: 3 });
        await this.page.keyboard.press('Backspace');
        await this.page.type(selector, text);
        await this.page.keyboard.press('Tab');
    }

    /** The id in the address, once there is one. */
    async task() {
        const found = () => /\/ui\/tasks\/([0-9a-f-]{36})$/.exec(this.page.url());
        const [, id] = await until('the page shows a task', found);
        return id;
    }

    /** The messages so far: `[stage, percentage]`. */
    async history() {
        const lines = await this.page.$$eval('#history li', (items) => items.map((item) => item.textContent));
        return lines.map((line) => {
            const [, stage, percentage] = /^(\w+) ([\d.]+) %$/.exec(line) ?? assert.fail(line);
            return [stage, Number(percentage)];
        });
    }

    /** It never went back, and no step was left out that takes its time. */
    async expectHistory() {
        const ORDER = ['uploading', 'queued', 'transcribing', 'complete'];
        const history = await this.history();
        const places = history.map(([stage, percentage]) => ORDER.indexOf(stage) * 1000 + percentage);
        const sorted = places.toSorted((a, b) => a - b);
        assert.deepEqual(places, sorted, JSON.stringify(history));
        return history;
    }

    /** The page itself made no mistake. */
    expectWell() {
        assert.deepEqual(this.browser.errors, []);
    }
}
