// curl, with the commands of the README and the manual pages.
import assert from 'node:assert/strict';
import { basename, dirname } from 'node:path';

import { run, shell } from './program.mjs';
import { CURL, curl } from './readme.mjs';
import { until } from './waiting.mjs';

/** Those that make an upload and send it; the one that does both in one request. */
const [CREATE, SEND, AT_ONCE] = [/-X POST .*Upload-Length/, /-X PATCH /, /Upload-Complete.* -T /].map(curl);

const QUEUED = /^\{"identifier":"[-0-9a-f]{36}","message":"Task queued"\}$/m;

/** Those of which more is known than that they succeed. */
const OUTCOMES = [
    [/-F file=.*\/speech-to-text\b/, { says: QUEUED }],
    [/-d url=.*\/speech-to-text-url\?/, { says: QUEUED }],
    [/Upload-Length/, { says: /^HTTP\/1.1 201 .*^location: http:\/\/\S+\/uploads\/files\//ims }],
    [/-X PATCH /, { says: /^HTTP\/1.1 204 /m }],
    [/transcript\?format=srt/, { says: /^1\n00:00:\S+ --> 00:00:\S+\nhello world$/m }],
    [/Upload-Complete/, { says: /^HTTP\/1.1 104 .*^HTTP\/1.1 201 .*^upload-complete: \?1\b/ms }],
    // It listens for as long as it may.
    [/ -N .*\/events/, { says: /^data: \{.*"stage":"complete"/m, status: 28, limitS: 3 }],
];

/** Uploads the recording in one request; returns its URL. */
export async function uploadAtOnce(rig, recording) {
    const command = AT_ONCE.replace('http://127.0.0.1:8000', rig.server);
    const said = await shell(command, { cwd: dirname(recording.path) });
    const [, path] = /^location: \S*?(\/uploads\/\S+)/im.exec(said) ?? assert.fail(said);
    return rig.server + path;
}

/** Uploads the recording; returns its URL. Whenever curl fails it is asked to go on. */
export async function upload(rig, recording) {
    const here = { cwd: dirname(recording.path) };
    const send = async (command, id) => {
        const named = command.replace('http://127.0.0.1:8000', rig.server).replace(/\bID\b/, id);
        return shell(named.replaceAll('interview.m4a', basename(recording.path)), here);
    };
    const created = await send(CREATE);
    const [, id] = /^location: \S+\/uploads\/files\/(\S+)/im.exec(created) ?? assert.fail(created);
    await send(SEND, id);
    const url = `${rig.server}/uploads/files/${id}`;
    const ask = `curl -sI -H 'Tus-Resumable: 1.0.0' ${url}`;
    const offset = () =>
        until('the daemon has an offset', async () => {
            const said = /^upload-offset: (\d+)/im.exec(await shell(ask, here));
            return said && Number(said[1]);
        });
    for (let at = await offset(); at !== recording.bytes; at = await offset()) {
        const rest = `@<(tail -c +${at + 1} ${basename(recording.path)})`;
        const further = SEND.replace('Upload-Offset: 0', `Upload-Offset: ${at}`).replace('@interview.m4a', rest);
        await send(further, id);
    }
    return url;
}

/**
 * Runs every documented command in its order, with the daemon's address, the
 * id of the last answer, the recording in the current folder, and `remote` for all
 * other machines. Each must succeed, and say what is known of it.
 */
export async function runAll(rig, recording, remote) {
    const known = new Set();
    let id = '';
    for (const command of CURL) {
        // People wait, too, before they ask what came of it.
        if (/\/tasks?\/ID\b/.test(command)) await rig.task(id);
        const [pattern, outcome] = OUTCOMES.find(([pattern]) => pattern.test(command)) ?? [];
        known.add(pattern);
        const { says = /^/, status = 0, limitS = 60 } = outcome ?? {};
        const server = (address) => (address.endsWith(':8000') ? rig.server : remote.address);
        const asTyped = command.replaceAll(/https?:\/\/[\w.:]+/g, server).replaceAll(/\bID\b/g, id);
        const options = `--silent --show-error --fail-with-body --max-time ${limitS}`;
        const done = await run(asTyped.replace(/^curl/, `curl ${options}`), { cwd: dirname(recording.path) });
        assert.equal(done.status, status, `${asTyped}: ${done.said}`);
        assert.match(done.said, says, asTyped);
        [, id] = /^location: \S*\/([-0-9a-f]{36})|"(?:identifier|upload_id|id)":"([-0-9a-f]{36})"/im
            .exec(done.said)
            ?.filter(Boolean) ?? [, id];
    }
    for (const [pattern] of OUTCOMES) assert.ok(known.has(pattern), `no documented command matches ${pattern}`);
}
