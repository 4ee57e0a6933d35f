// The package of OpenAI (Python), and its API as scribed-http(7) shows it.
import assert from 'node:assert/strict';

import { check } from '../harness/checks.mjs';
import { shell } from '../harness/program.mjs';
import { BLOCKS, CURL } from '../harness/readme.mjs';
import { MIB, WORDS } from '../harness/recording.mjs';
import { until } from '../harness/waiting.mjs';

const PYTHON = BLOCKS.find((block) => block.startsWith('from openai '));
const COMMANDS = CURL.filter((command) => command.includes('/v1/audio/'));

/** Does these things, one after the other. */
function does(rig, recording, names, job) {
    return rig.openai(recording, { does: names, words: WORDS, ...job }).url;
}

await check('openai: formats, times, streams, translations, models, errors', async (rig) => {
    await rig.lock();
    const recording = rig.record(MIB);
    await does(rig, recording, ['formats', 'times', 'streams', 'translations', 'models', 'errors']);
});

await check('openai: a client that gives up cancels its task', async (rig) => {
    await rig.lock();
    await does(rig, rig.ramble(), ['gives_up'], { server: rig.daemon.address });
    const task = await until('the task has ended', async () => {
        const { tasks } = await (await rig.fetch('/task/all')).json();
        return tasks.find((task) => task.status === 'failed');
    });
    assert.match(task.error, /the client disconnected/);
    await does(rig, rig.record(MIB), ['formats']);
});

await check('openai: as in the manual', async (rig) => {
    await rig.lock();
    const token = rig.headers.Authorization.replace('Bearer ', '');
    rig.record(MIB, 'interview.m4a');
    const here = (text) => text.replaceAll('http://127.0.0.1:8000', rig.server).replaceAll('TOKEN', token);
    const python = `${process.env.CLIENTS_PYTHON} - <<'END'\n${here(PYTHON)}END`;
    const said = (await shell(python, { cwd: rig.folder })).trim().split('\n');
    assert.deepEqual(said, [WORDS, WORDS]);
    assert.equal(COMMANDS.length, 2);
    for (const command of COMMANDS) {
        const printed = await shell(`${here(command)} 2>&1`, { cwd: rig.folder });
        assert.ok(printed.includes(WORDS), printed);
    }
});
