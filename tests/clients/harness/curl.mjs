// curl, with the commands of the README.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';

import { shell } from './program.mjs';
import { until } from './waiting.mjs';

const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const [, BLOCK] = /^Any TUS client works too.* With curl:\n\n((?: {4}.*\n)+)/m.exec(README);
/** Those that make an upload, send it, and ask for its transcript. */
const [CREATE, SEND, READ] = BLOCK.replaceAll(/ \\\n +/g, ' ').trim().split(/\n +/);

/** The one that does all of it in one request. */
const [AT_ONCE] = /^ {4}curl .*Upload-Complete.*\n.* -T .*$/m.exec(README);

/** Uploads the recording in one request; returns its URL. */
export async function uploadAtOnce(rig, recording) {
    const command = AT_ONCE.replace(/ \\\n +/, ' ').replace('http://127.0.0.1:8000', rig.server);
    const said = await shell(command, { cwd: dirname(recording.path) });
    assert.match(said, /^HTTP\/1.1 104 .*^HTTP\/1.1 201 .*^upload-complete: \?1\b/ms);
    const [, path] = /^location: (\S+)/im.exec(said) ?? assert.fail(said);
    return rig.server + path;
}

/** Uploads the recording; returns its URL. Whenever curl fails it is asked to go on. */
export async function upload(rig, recording) {
    const here = { cwd: dirname(recording.path) };
    const run = async (command, id) => {
        const named = command.replace('http://127.0.0.1:8000', rig.server).replace(/\bID\b/, id);
        return shell(named.replaceAll('interview.m4a', basename(recording.path)), here);
    };
    const created = await run(CREATE);
    const [, id] = /^location: \/uploads\/files\/(\S+)/im.exec(created) ?? assert.fail(created);
    await run(SEND, id);
    const url = `${rig.server}/uploads/files/${id}`;
    const ask = `curl -sI -H 'Tus-Resumable: 1.0.0' ${url}`;
    const offset = () =>
        until('the daemon tells an offset', async () => {
            const said = /^upload-offset: (\d+)/im.exec(await shell(ask, here));
            return said && Number(said[1]);
        });
    for (let at = await offset(); at !== recording.bytes; at = await offset()) {
        const rest = `@<(tail -c +${at + 1} ${basename(recording.path)})`;
        const further = SEND.replace('Upload-Offset: 0', `Upload-Offset: ${at}`).replace('@interview.m4a', rest);
        await run(further, id);
    }
    const transcript = await until('there is a transcript', async () => {
        const said = await run(READ, id);
        return said.includes('-->') && said;
    });
    assert.match(transcript, /^1\n00:00:\S+ --> 00:00:\S+\nhello world$/m);
    return url;
}
