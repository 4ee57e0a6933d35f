// parallelUploads of tus-js-client: several parts at once, put together in the
// end (concatenation extension).
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { basename, join } from 'node:path';

import { check } from '../harness/checks.mjs';
import { MIB } from '../harness/recording.mjs';
import { until } from '../harness/waiting.mjs';

const options = { parallelUploads: 4 };

await check('parallel uploads in Node: cut, an answer lost, the daemon killed; an id of its choice', async (rig) => {
    const recording = rig.record();
    const taskId = randomUUID();
    rig.cutter.faults = [
        { after: 20 * MIB, reset: true },
        { after: 40 * MIB, loseAnswer: true },
        { after: 65 * MIB, hold: () => rig.daemon.crash() },
        { after: 85 * MIB, reset: true },
    ];
    const url = await rig.node(recording, { options, metadata: { filename: 'interview.wav', taskId } }).url;
    await rig.expectArrived(recording, url);
    rig.cutter.expectStruck();
    rig.expectThrifty(recording);
    assert.equal(basename(url), taskId);
});

await check('parallel uploads in Node: paused and resumed', async (rig) => {
    const recording = rig.record();
    const upload = rig.node(recording, { options });
    rig.cutter.faults = [{ after: 70 * MIB, hold: () => upload.ask('pause') }];
    await rig.cutter.struck();
    await upload.ask('resume');
    await rig.expectArrived(recording, await upload.url);
    rig.expectThrifty(recording);
});

await check('parallel uploads in Node: killed, and gone on with from the stored fingerprint', async (rig) => {
    const recording = rig.record();
    const job = { options, storage: join(rig.folder, 'fingerprints.json') };
    const killed = rig.node(recording, job);
    rig.cutter.faults = [{ after: 70 * MIB, hold: () => killed.kill() }];
    await killed.exited;
    await rig.expectArrived(recording, await rig.node(recording, job).url);
    rig.cutter.expectStruck();
    rig.expectThrifty(recording);
});

await check('parallel uploads in Node: cancelled', async (rig) => {
    const upload = rig.node(rig.record(), { options });
    rig.cutter.faults = [{ after: 70 * MIB, hold: () => upload.ask('cancel') }];
    await rig.cutter.struck();
    await until('nothing of it is left', () => rig.daemon.uploads().length === 0);
});

await check('parallel uploads in Chromium: cut, the page reloaded, gone on with', async (rig) => {
    await rig.lock();
    const recording = rig.record();
    const browser = await rig.browser();
    const job = rig.job(recording, { client: 'tus-js-client', options });
    rig.cutter.faults = [
        { after: 30 * MIB, reset: true },
        { after: 70 * MIB, hold: () => browser.reload() },
    ];
    await browser.begin(recording, job);
    await rig.cutter.struck();
    await browser.begin(recording, job);
    await rig.expectArrived(recording, await browser.url());
    rig.expectThrifty(recording);
});
