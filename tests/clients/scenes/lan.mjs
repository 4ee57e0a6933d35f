// Over a bad network: see `harness/lan.py`, in which this runs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { check } from '../harness/checks.mjs';
import { upload } from '../harness/curl.mjs';
import { MIB } from '../harness/recording.mjs';

const sizeMib = Number(process.env.LAN_MIB);
const CLIENTS = {
    'tus-js-client in Node': (rig, recording) => rig.node(recording).url,
    'tus-js-client in Chromium': async (rig, recording) => {
        const browser = await rig.browser();
        await browser.begin(recording, rig.job(recording, { client: 'tus-js-client' }));
        return browser.url();
    },
    tuspy: (rig, recording) => rig.tuspy(recording).url,
    'curl as in the manual': upload,
};

/** Clients are on another host. */
const BOX = { host: '10.77.0.1', auth: "mode = 'open'\nnetworks = ['10.77.0.0/24']" };
const checks = Object.entries(CLIENTS).map(([name, send]) =>
    check(
        `${name}: ${sizeMib} MiB over a bad network, with loss, delay and resets`,
        async (rig) => {
            rig.server = rig.daemon.address;
            const recording = rig.record(sizeMib * MIB, 'interview.m4a');
            const url = await send(rig, recording);
            await rig.expectArrived(recording, url);
            rig.expectAlone(url);
        },
        BOX,
    ),
);
// All at once, because most of the time each of them waits.
await Promise.all(checks);
const resets = readFileSync(process.env.LAN_RESETS, 'utf8').trim().split('\n').length;
assert.ok(resets >= 3 * checks.length, `only ${resets} connections were reset`);
