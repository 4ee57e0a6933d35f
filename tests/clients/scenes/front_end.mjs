// A single-page application that scribed serves, in Chromium: built with the
// libraries and making the requests of the front end of the system before.
import assert from 'node:assert/strict';

import { check } from '../harness/checks.mjs';
import { BUILT, User } from '../harness/front_end.mjs';
import { MIB, WORDS } from '../harness/recording.mjs';
import { until } from '../harness/waiting.mjs';

const options = { http: `static_dir = '${BUILT}'` };

await check(
    'a front end: a large file over connections that break, its text, a deep link, search, deletion',
    async (rig) => {
        const recording = rig.record(120 * MIB, 'Council.wav');
        const user = await User.at(rig);
        await user.sees('#total', /^0 recordings$/);
        rig.cutter.faults = [
            // The socket and the upload: the page connects again and goes on.
            { after: 70 * MIB, hold: () => rig.cutter.tear() },
            { after: 100 * MIB, hold: () => user.sees('#state', /^uploading ([4-9]\d|100)/) },
        ];
        await user.picks(recording);
        const id = await user.task();
        await until('the connections are lost', () => rig.cutter.faultsStruck > 0);
        rig.cutter.mend();
        await user.sees('#state', /^complete 100 %$/);
        const history = await user.expectHistory();
        const uploading = history.filter(([stage]) => stage === 'uploading');
        assert.ok(uploading.length > 2, JSON.stringify(history));
        assert.deepEqual(uploading[0], ['uploading', 0], 'the socket was open before the upload');
        await rig.expectResumed(recording, `${rig.server}/uploads/files/${id}`);
        await user.sees('h1', /^Council\.wav$/);
        await user.sees('#text', new RegExp(`${WORDS}$`));

        await user.page.reload();
        assert.equal(await user.task(), id);
        await user.sees('#text', new RegExp(`${WORDS}$`));

        await user.clicks('header a');
        await user.sees('#tasks', /^Council\.wav completed$/);
        await user.writes('#query', 'nothing like it');
        await user.sees('#tasks', /^$/);
        await user.writes('#query', 'cOUNc');
        await user.sees('#tasks', /^Council\.wav completed$/);
        await user.page.select('#status', 'failed');
        await user.sees('#total', /^0 recordings$/);
        await user.page.select('#status', 'completed');
        await user.sees('#total', /^1 recordings$/);
        await user.clicks('#tasks a');
        assert.equal(await user.task(), id);
        await user.sees('#text', new RegExp(`${WORDS}$`));
        await user.clicks('#delete');
        await user.sees('#total', /^0 recordings$/);
        assert.deepEqual(rig.daemon.uploads(), []);
        user.expectWell();
    },
    options,
);

await check(
    'a front end: reloaded in the middle, the file picked again; then another one, cancelled',
    async (rig) => {
        const recording = rig.record(110 * MIB, 'Council.wav');
        const user = await User.at(rig);
        let id;
        rig.cutter.faults = [
            {
                after: 70 * MIB,
                hold: async () => {
                    id = await user.task();
                    await user.page.reload();
                },
            },
        ];
        await user.picks(recording);
        await rig.cutter.struck();
        await user.sees('#state', /^uploading ([4-9]\d)/);
        await user.picks(recording);
        await user.sees('#state', /^complete 100 %$/);
        assert.equal(await user.task(), id);
        await user.sees('#text', new RegExp(`${WORDS}$`));
        await rig.expectResumed(recording, `${rig.server}/uploads/files/${id}`);

        const another = rig.record(110 * MIB, 'Another.wav');
        rig.cutter.carried = 0;
        rig.cutter.faults = [{ after: 70 * MIB, hold: () => user.clicks('#cancel') }];
        await user.picks(another);
        await rig.cutter.struck();
        await user.sees('#tasks', /^Council\.wav completed$/);
        await until('nothing of it is left', () => rig.daemon.uploads().length === 1);
        user.expectWell();
    },
    options,
);

await check(
    'a front end with an access token: tickets for its sockets, and asking where a socket is refused',
    async (rig) => {
        await rig.lock();
        const user = await User.at(rig);
        await user.sees('#total', /token/i);
        await user.writes('#token', rig.headers.Authorization.replace('Bearer ', ''));
        await user.sees('#total', /^0 recordings$/);
        await user.picks(rig.record(5 * MIB, 'Note.wav'));
        await user.sees('#state', /^complete 100 %$/);
        await user.sees('#by', /^told by socket$/);
        await user.sees('#text', new RegExp(`${WORDS}$`));

        // A ticket that is of no use: the server closes the socket.
        await user.page.setRequestInterception(true);
        user.page.on('request', (request) => {
            if (!request.url().endsWith('/api/ws/ticket')) return request.continue();
            const body = JSON.stringify({ ticket: 'of-yesterday', expires_at: '2026-01-01T00:00:00Z' });
            return request.respond({ status: 201, contentType: 'application/json', body });
        });
        await user.picks(rig.record(85 * MIB, 'Long.wav'));
        await user.sees('#state', /^complete 100 %$/);
        await user.sees('#by', /^told by asking: the socket was closed with 1008$/);
        await user.sees('#text', new RegExp(`${WORDS}$`));
        await user.expectHistory();
        user.expectWell();
    },
    options,
);
