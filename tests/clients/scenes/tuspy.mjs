// tuspy (Python).
import { randomUUID } from 'node:crypto';
import { basename, join } from 'node:path';
import assert from 'node:assert/strict';

import { check } from '../harness/checks.mjs';
import { MIB } from '../harness/recording.mjs';

await check('tuspy: cut, an answer lost, the daemon killed; an id of its choice', async (rig) => {
    const recording = rig.record();
    const taskId = randomUUID();
    rig.cutter.faults = [
        { after: 20 * MIB, reset: true },
        { after: 40 * MIB, loseAnswer: true },
        { after: 65 * MIB, hold: () => rig.daemon.crash() },
        { after: 85 * MIB, reset: true },
        { after: 99 * MIB, loseAnswer: true },
    ];
    const url = await rig.tuspy(recording, { metadata: { filename: 'interview.wav', taskId } }).url;
    await rig.expectResumed(recording, url);
    assert.equal(basename(url), taskId);
});

await check('tuspy: with checksums; cut, an answer lost, a bit changed on the way', async (rig) => {
    const recording = rig.record();
    rig.cutter.faults = [
        { after: 20 * MIB, reset: true },
        { after: 60 * MIB, loseAnswer: true },
        { after: 85 * MIB, flip: true },
    ];
    const options = { upload_checksum: true, chunk_size: 16 * MIB };
    await rig.expectResumed(recording, await rig.tuspy(recording, { options }).url);
});

await check('tuspy: killed, and gone on with from its stored fingerprint', async (rig) => {
    const recording = rig.record();
    const job = { storage: join(rig.folder, 'fingerprints.json') };
    let upload;
    rig.cutter.faults = [60 * MIB, 80 * MIB].map((after) => ({ after, hold: () => upload.kill() }));
    for (const _ of rig.cutter.faults.slice()) {
        upload = rig.tuspy(recording, job);
        await upload.exited;
    }
    await rig.expectResumed(recording, await rig.tuspy(recording, job).url);
});
