// tus-js-client in Node.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { basename, join } from 'node:path';

import { check } from '../harness/checks.mjs';
import { MIB } from '../harness/recording.mjs';
import { until } from '../harness/waiting.mjs';

await check('tus-js-client in Node: cut, an answer lost, the daemon killed; an id of its choice', async (rig) => {
    const recording = rig.record();
    const taskId = randomUUID();
    rig.cutter.faults = [
        { after: 20 * MIB, reset: true },
        { after: 40 * MIB, loseAnswer: true },
        { after: 65 * MIB, hold: () => rig.daemon.crash() },
        { after: 85 * MIB, reset: true },
        { after: 99 * MIB, loseAnswer: true },
    ];
    const metadata = { filename: 'interview.wav', filetype: 'audio/wav', language: 'en', model: 'large-v3', taskId };
    const url = await rig.node(recording, { metadata }).url;
    await rig.expectResumed(recording, url);
    assert.equal(basename(url), taskId);
});

await check('tus-js-client in Node: paused and resumed, twice', async (rig) => {
    const recording = rig.record();
    const upload = rig.node(recording);
    rig.cutter.faults = [{ after: 30 * MIB, hold: () => upload.ask('pause') }];
    await rig.cutter.struck();
    rig.cutter.faults = [{ after: 70 * MIB, hold: () => upload.ask('pause') }];
    await upload.ask('resume');
    await rig.cutter.struck();
    await upload.ask('resume');
    await rig.expectResumed(recording, await upload.url);
});

await check('tus-js-client in Node: killed, and gone on with from its stored fingerprint', async (rig) => {
    const recording = rig.record();
    const job = { storage: join(rig.folder, 'fingerprints.json') };
    let upload;
    rig.cutter.faults = [60 * MIB, 80 * MIB].map((after) => ({ after, hold: () => upload.kill() }));
    for (const _ of rig.cutter.faults.slice()) {
        upload = rig.node(recording, job);
        await upload.exited;
    }
    await rig.expectResumed(recording, await rig.node(recording, job).url);
});

await check('tus-js-client in Node: cancelled', async (rig) => {
    const upload = rig.node(rig.record());
    rig.cutter.faults = [{ after: 70 * MIB, hold: () => upload.ask('cancel') }];
    await rig.cutter.struck();
    await until('nothing of it is left', () => rig.daemon.uploads().length === 0);
});

await check('tus-js-client in Node: the first chunk with the creation; cut', async (rig) => {
    const recording = rig.record();
    // The creation itself is not cut: a client without a URL begins anew.
    rig.cutter.faults = [
        { after: 60 * MIB, reset: true },
        { after: 90 * MIB, loseAnswer: true },
    ];
    const upload = rig.node(recording, { options: { uploadDataDuringCreation: true } });
    await rig.expectResumed(recording, await upload.url);
});

await check('tus-js-client in Node: a length that comes at the end; cut, the daemon killed', async (rig) => {
    const recording = rig.record();
    rig.cutter.faults = [
        { after: 30 * MIB, reset: true },
        { after: 75 * MIB, hold: () => rig.daemon.crash() },
    ];
    const upload = rig.node(recording, { options: { uploadLengthDeferred: true } });
    await rig.expectResumed(recording, await upload.url);
});
