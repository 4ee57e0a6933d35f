// What an upload in a page meets, whatever client the page has: everything is
// tried with each. The page's origin is not that of the daemon, it shows a
// token and asks with credentials.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';

import { check } from './checks.mjs';
import { MIB } from './recording.mjs';
import { until } from './waiting.mjs';

export async function checkPage(name, client) {
    const what = (event) => `${name} in Chromium: ${event}`;
    /** A page, and what it is to upload. */
    const open = async (rig, more) => {
        await rig.lock();
        const recording = rig.record();
        return [await rig.browser(), recording, rig.job(recording, { client, ...more })];
    };

    await check(what('cut, an answer lost, the daemon killed; an id of its choice'), async (rig) => {
        const taskId = randomUUID();
        const metadata = { filename: 'interview.wav', language: 'en', model: 'large-v3', taskId };
        const [browser, recording, job] = await open(rig, { metadata });
        rig.cutter.faults = [
            { after: 20 * MIB, reset: true },
            { after: 40 * MIB, loseAnswer: true },
            { after: 65 * MIB, hold: () => rig.daemon.crash() },
            { after: 85 * MIB, reset: true },
            { after: 99 * MIB, loseAnswer: true },
        ];
        await browser.begin(recording, job);
        const url = await browser.url();
        await rig.expectResumed(recording, url);
        assert.equal(basename(url), taskId);
    });

    await check(what('paused and resumed, twice'), async (rig) => {
        const [browser, recording, job] = await open(rig);
        rig.cutter.faults = [{ after: 30 * MIB, hold: () => browser.ask('pause') }];
        await browser.begin(recording, job);
        await rig.cutter.struck();
        rig.cutter.faults = [{ after: 70 * MIB, hold: () => browser.ask('pause') }];
        await browser.ask('resume');
        await rig.cutter.struck();
        await browser.ask('resume');
        await rig.expectResumed(recording, await browser.url());
    });

    await check(what('offline and online again, twice'), async (rig) => {
        const [browser, recording, job] = await open(rig);
        const offline = async () => {
            await browser.setOnline(false);
            browser.failures = 0;
            rig.cutter.tear();
        };
        const online = async () => {
            await until('a request has failed', () => browser.failures > 0);
            rig.cutter.mend();
            await browser.setOnline(true);
        };
        rig.cutter.faults = [{ after: 30 * MIB, hold: offline }];
        await browser.begin(recording, job);
        await rig.cutter.struck();
        rig.cutter.faults = [{ after: 70 * MIB, hold: offline }];
        await online();
        await rig.cutter.struck();
        await online();
        await rig.expectResumed(recording, await browser.url());
    });

    await check(what('the page reloaded, and gone on with from its stored fingerprint'), async (rig) => {
        const [browser, recording, job] = await open(rig);
        rig.cutter.faults = [{ after: 70 * MIB, hold: () => browser.reload() }];
        await browser.begin(recording, job);
        await rig.cutter.struck();
        await browser.begin(recording, job);
        await rig.expectResumed(recording, await browser.url());
    });

    await check(what('cancelled'), async (rig) => {
        const [browser, recording, job] = await open(rig);
        rig.cutter.faults = [{ after: 70 * MIB, hold: () => browser.ask('cancel') }];
        await browser.begin(recording, job);
        await rig.cutter.struck();
        await until('nothing of it is left', () => rig.daemon.uploads().length === 0);
    });
}
