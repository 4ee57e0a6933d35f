// Headless Chromium with a page: of another origin than the daemon's, or its own.
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';

import { until } from './waiting.mjs';

const beside = (path) => fileURLToPath(new URL(path, import.meta.url));

/** A page, and uploads in it that are asked for as those of a `Program` are. */
export class Browser {
    /** With the page at this address; `more` are arguments of Chromium. */
    static async at(folder, address, more = []) {
        const browser = new Browser();
        browser.chromium = await puppeteer.launch({
            executablePath: beside('chromium'),
            // Over a pipe it ends when this process does.
            pipe: true,
            userDataDir: `${folder}/chromium`,
            // Root's Chromium has no sandbox; the pages are our own.
            args: ['--no-sandbox', '--disable-dev-shm-usage', ...more],
            protocolTimeout: 300_000,
        });
        [browser.page] = await browser.chromium.pages();
        browser.complaints = [];
        browser.page.on('console', (message) => browser.complaints.push(message.text()));
        browser.failures = 0;
        browser.page.on('requestfailed', (request) => {
            browser.failures += 1;
            browser.complaints.push(`${request.method()} ${request.url()}: ${request.failure()?.errorText}`);
        });
        browser.errors = [];
        browser.page.on('pageerror', (error) => {
            browser.errors.push(String(error));
            browser.complaints.push(String(error));
        });
        await browser.page.goto(address);
        return browser;
    }

    /** Chooses the recording and begins to upload it. */
    async begin(recording, job) {
        const input = await this.page.$('input');
        await input.uploadFile(recording.path);
        await this.page.evaluate((job) => window.begin(job), job);
    }

    async ask(command) {
        await this.page.evaluate((command) => window.running[command](), command);
    }

    /** Where the upload is, once it has arrived. */
    url() {
        return this.page.evaluate(() => window.running.url);
    }

    /** Whether the page knows that there is a network. */
    async setOnline(isOnline) {
        await this.page.setOfflineMode(!isOnline);
        await until('the page notices', () => this.page.evaluate((wanted) => navigator.onLine === wanted, isOnline));
    }

    async reload() {
        await this.page.reload();
    }

    async close() {
        await this.chromium.close();
    }
}
