// tus-js-client in the words of the IETF's drafts.
import { check } from '../harness/checks.mjs';
import { MIB } from '../harness/recording.mjs';

for (const protocol of ['ietf-draft-03', 'ietf-draft-05']) {
    for (const deferred of [false, true]) {
        const how = deferred ? 'a length that comes at the end' : 'a known length';
        await check(`tus-js-client in Node, ${protocol}, ${how}: cut, an answer lost, the daemon killed`, async (rig) => {
            const recording = rig.record();
            rig.cutter.faults = [
                { after: 20 * MIB, reset: true },
                { after: 40 * MIB, loseAnswer: true },
                { after: 65 * MIB, hold: () => rig.daemon.crash() },
                { after: 85 * MIB, reset: true },
            ];
            const options = { protocol, ...(deferred && { uploadLengthDeferred: true }) };
            const url = await rig.node(recording, { options }).url;
            await rig.expectArrived(recording, url);
            rig.cutter.expectStruck();
        });
    }
}
