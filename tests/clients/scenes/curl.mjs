// curl, exactly as the README and the manual pages show it.
import assert from 'node:assert/strict';

import { check } from '../harness/checks.mjs';
import { runAll, upload, uploadAtOnce } from '../harness/curl.mjs';
import { RemoteServer } from '../harness/remote_server.mjs';
import { MIB } from '../harness/recording.mjs';
import { until } from '../harness/waiting.mjs';

await check('curl as in the manual: cut, an answer lost, the daemon killed', async (rig) => {
    const recording = rig.record(100 * MIB, 'interview.m4a');
    rig.cutter.faults = [
        { after: 20 * MIB, reset: true },
        { after: 45 * MIB, hold: () => rig.daemon.crash() },
        { after: 75 * MIB, reset: true },
        { after: 99 * MIB, loseAnswer: true },
    ];
    await rig.expectResumed(recording, await upload(rig, recording));
});

await check('curl as in the manual: all in one request', async (rig) => {
    const recording = rig.record(100 * MIB, 'interview.m4a');
    await rig.expectArrived(recording, await uploadAtOnce(rig, recording));
});

await check(
    'curl: every documented command, in its order',
    async (rig) => {
        rig.server = rig.daemon.address;
        const remote = await RemoteServer.listen(rig.folder);
        try {
            await runAll(rig, rig.record(MIB, 'interview.m4a'), remote);
            const [call] = await until('the remote server is called', () => remote.calls.length > 0 && remote.calls);
            assert.deepEqual([call.path, call.body.status], ['/done', 'completed']);
        } finally {
            remote.close();
        }
    },
    { callbacks: "allow = ['127.0.0.1:*']" },
);
