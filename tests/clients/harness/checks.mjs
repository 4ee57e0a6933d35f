// One line per check; what failed is explained on the lines below it.
import { appendFileSync } from 'node:fs';

import { Rig } from './rig.mjs';
import { within } from './waiting.mjs';

// Node waits for ever, at work, for a socket that was reset while it was being
// shut down; so it ends without looking back.
process.on('beforeExit', () => process.exit());

/** So that a check that hangs ends, and no other. */
const LIMIT_S = 240;

/** Runs `test` with a rig of its own; `options` are those of the daemon. */
export async function check(what, test, options = {}) {
    let rig;
    let result = 'ok';
    let explanation = [];
    try {
        rig = await Rig.setUp(options);
        await within(LIMIT_S, 'this check', test(rig));
    } catch (error) {
        result = 'FAILED';
        process.exitCode = 1;
        explanation = [...String(error.stack).split('\n'), ...(rig?.log() ?? [])];
    } finally {
        await rig?.takeDown();
    }
    console.log(`${result.padEnd(8)}${what}`);
    for (const line of explanation) console.log(`        ${line}`);
    appendFileSync(process.env.CLIENTS_TALLY, `${result}\n`);
}
