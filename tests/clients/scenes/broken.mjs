// What is broken on purpose must be found: otherwise the checks prove nothing.
import assert from 'node:assert/strict';
import { openSync, readSync, writeSync, closeSync } from 'node:fs';
import { basename, join } from 'node:path';

import { check } from '../harness/checks.mjs';
import { MIB } from '../harness/recording.mjs';

await check('a bit that changed on the way is noticed', async (rig) => {
    const recording = rig.record(5 * MIB);
    rig.cutter.faults = [{ after: 3 * MIB, flip: true }];
    const url = await rig.node(recording).url;
    await assert.rejects(rig.expectResumed(recording, url), /other bytes arrived/);
});

await check('a bit that changed on the disk is noticed', async (rig) => {
    const recording = rig.record(5 * MIB);
    const url = await rig.node(recording).url;
    await rig.expectResumed(recording, url);
    const data = openSync(join(rig.daemon.state, 'uploads', basename(url), 'data'), 'r+');
    const byte = Buffer.alloc(1);
    readSync(data, byte, 0, 1, 4 * MIB);
    byte[0] ^= 1;
    writeSync(data, byte, 0, 1, 4 * MIB);
    closeSync(data);
    await assert.rejects(rig.expectResumed(recording, url), /other bytes arrived/);
});

await check('an upload that is begun anew is noticed', async (rig) => {
    const recording = rig.record(5 * MIB);
    const upload = rig.node(recording);
    rig.cutter.faults = [{ after: 3 * MIB, hold: () => upload.kill() }];
    await upload.exited;
    const url = await rig.node(recording).url;
    await assert.rejects(rig.expectResumed(recording, url), /uploads on disk/);
});

await check('a fault that did not happen is noticed', async (rig) => {
    const recording = rig.record(5 * MIB);
    rig.cutter.faults = [{ after: 10 * MIB, reset: true }];
    const url = await rig.node(recording).url;
    await assert.rejects(rig.expectResumed(recording, url), /did not happen/);
});
