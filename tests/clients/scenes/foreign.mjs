// Pages that are not the daemon's own, in Chromium: of another origin, of a name that
// was made to resolve to the daemon (DNS rebinding), and its own. What they try is
// what the daemon has to prevent, so Chromium's own protection is off.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { check } from '../harness/checks.mjs';
import { until } from '../harness/waiting.mjs';

const REBOUND = 'evil.example';
/** The name leads to the daemon, and pages of other networks may ask it. */
const CHROMIUM = [
    `--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`,
    '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests',
];
const PAGE = '<!doctype html><title>page</title><p>a page';
const foreign = { isPageAllowed: false };

/** In the page: a request, and what it learns of the answer. */
function ask(page, url, options = {}) {
    const attempt = async (url, options) => {
        try {
            const answer = await fetch(url, options);
            return { status: answer.status, type: answer.type, text: await answer.text() };
        } catch (error) {
            return { error: String(error) };
        }
    };
    return page.evaluate(attempt, url, options);
}

/** In the page: the first message of a WebSocket or of an event stream, or its end. */
function listen(page, kind, url) {
    const attempt = (kind, url) =>
        new Promise((resolve) => {
            const source = kind === 'socket' ? new WebSocket(url) : new EventSource(url);
            source.onmessage = (event) => resolve(event.data);
            source.onclose = (event) => resolve(`closed with ${event.code}`);
            source.onerror = () => kind === 'events' && resolve('an error');
        });
    return page.evaluate(attempt, kind, url);
}

/** In the page: a form is sent into a frame, as any page can do. */
function sendForm(page, url) {
    const attempt = (url) => {
        document.body.innerHTML = `<iframe name=frame></iframe><form method=post target=frame action="${url}"
            enctype="multipart/form-data"><input name=file value=x></form>`;
        const loaded = new Promise((resolve) => (document.querySelector('iframe').onload = resolve));
        document.querySelector('form').submit();
        return loaded;
    };
    return page.evaluate(attempt, url);
}

/** An upload that is there, made with curl's rights: no page is involved. */
async function existing(rig) {
    const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Length': '9' };
    const created = await rig.fetch('/uploads/files/', { method: 'POST', headers });
    assert.equal(created.status, 201);
    return created.headers.get('location').split('/').pop();
}

/** All that a page could want from `server`; it must get none of it. */
async function expectNothing(page, rig, server, id) {
    const upload = `${server}/uploads/files/${id}`;
    const tus = { 'Tus-Resumable': '1.0.0' };
    const attempts = [
        [`${server}/task/all`],
        [`${server}/task/all`, { credentials: 'include' }],
        [`${server}/task/${id}`, { method: 'DELETE' }],
        [upload, { method: 'DELETE', headers: tus }],
        [upload],
        [`${server}/uploads/files/`, { method: 'POST', headers: { ...tus, 'Upload-Length': '4' } }],
        [`${server}/speech-to-text`, { method: 'POST', body: 'x' }],
        [`${server}/task/all`, { headers: { Authorization: 'Bearer any' } }],
        [`${server}/task/all`, { headers: { 'X-Forwarded-Host': 'localhost' } }],
    ];
    const learnt = [];
    for (const attempt of attempts) learnt.push(await ask(page, ...attempt));
    await sendForm(page, `${server}/speech-to-text`);
    await sendForm(page, `${server}/upload/stream`);
    const socket = await listen(page, 'socket', `${server.replace('http', 'ws')}/ws/tasks/${id}`);
    assert.equal(socket, 'closed with 1008');
    assert.equal(await listen(page, 'events', `${server}/task/${id}/events`), 'an error');
    assert.deepEqual(rig.daemon.uploads(), [id], 'nothing was made or deleted');
    return learnt;
}

function expectUnread(learnt) {
    for (const { error, ...answer } of learnt) assert.match(error ?? '', /Failed to fetch/, JSON.stringify(answer));
}

for (const [mode, auth] of [
    ['without tokens', ''],
    ['open', "mode = 'open'\nnetworks = ['127.0.0.0/8']"],
]) {
    await check(
        `a page of another origin, ${mode}: it reads, makes and deletes nothing`,
        async (rig) => {
            const id = await existing(rig);
            const { page } = await rig.browser(rig.pages.add('/', PAGE), CHROMIUM);
            expectUnread(await expectNothing(page, rig, rig.daemon.address, id));
            const quiet = await ask(page, `${rig.daemon.address}/task/all`, { mode: 'no-cors' });
            assert.equal(quiet.text ?? '', '');
        },
        { ...foreign, auth },
    );

    await check(
        `a page of a name that leads to the daemon, ${mode}: of the same origin, and it gets 421`,
        async (rig) => {
            const id = await existing(rig);
            const server = `http://${REBOUND}:${rig.daemon.port}`;
            const { page } = await rig.browser(`${server}/health`, CHROMIUM);
            assert.match(await page.evaluate(() => document.body.textContent), /scribed is running/);
            const learnt = await expectNothing(page, rig, server, id);
            // 403: it must not look like a proxy either.
            for (const answer of learnt) assert.match(String(answer.status), /^(421|403)$/, JSON.stringify(answer));
            assert.match(learnt[0].text, /http\.base_url/);
        },
        { ...foreign, auth },
    );
}

await check(
    'pages of another origin and of such a name, with a token: neither reads anything without it',
    async (rig) => {
        await rig.lock();
        const id = await existing(rig);
        const [browser, server] = [await rig.browser(rig.pages.add('/', PAGE), CHROMIUM), rig.daemon.address];
        expectUnread(await expectNothing(browser.page, rig, server, id));
        // Not even a page that has the token.
        expectUnread([await ask(browser.page, `${server}/task/all`, { headers: rig.headers })]);

        const rebound = `http://${REBOUND}:${rig.daemon.port}`;
        await browser.page.goto(`${rebound}/health`);
        const learnt = await expectNothing(browser.page, rig, rebound, id);
        for (const answer of learnt) assert.equal(answer.status, 401, JSON.stringify(answer));
    },
    foreign,
);

await check('a page whose origin is named, and every page with a star, but then without credentials', async (rig) => {
    const { page } = await rig.browser(rig.pages.add('/', PAGE), CHROMIUM);
    const server = rig.daemon.address;
    for (const credentials of ['omit', 'include']) {
        const answer = await ask(page, `${server}/task/all`, { credentials });
        assert.equal(answer.status, 200, JSON.stringify(answer));
    }
    const [socket, other] = ['00000000-0000-4000-8000-000000000000', '00000000-0000-4000-8000-000000000001'];
    assert.match(await listen(page, 'socket', `${server.replace('http', 'ws')}/ws/tasks/${socket}`), /progress/);
    assert.match(await listen(page, 'events', `${server}/task/${other}/events`), /progress/);
});

await check(
    'with a star every page, but without credentials',
    async (rig) => {
        const { page } = await rig.browser(rig.pages.add('/', PAGE), CHROMIUM);
        const url = `${rig.daemon.address}/task/all`;
        assert.equal((await ask(page, url)).status, 200);
        expectUnread([await ask(page, url, { credentials: 'include' })]);
    },
    { ...foreign, http: "cors_origins = ['*']" },
);

const FRONT_END = join(process.env.CLIENTS_WORK, 'own_page');
mkdirSync(FRONT_END, { recursive: true });
writeFileSync(join(FRONT_END, 'index.html'), PAGE);

await check(
    'the page that the daemon serves at /ui/ may do all that needs no token',
    async (rig) => {
        const { page } = await rig.browser(`${rig.daemon.address}/ui/`, CHROMIUM);
        for (const host of ['127.0.0.1', 'localhost']) {
            const server = `http://${host}:${rig.daemon.port}`;
            await page.goto(`${server}/ui/`);
            const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Length': '9' };
            const created = await ask(page, '/uploads/files/', { method: 'POST', headers });
            assert.equal(created.status, 201, JSON.stringify(created));
            const [id] = rig.daemon.uploads();
            assert.match(await listen(page, 'socket', `${server.replace('http', 'ws')}/ws/tasks/${id}`), /uploading/);
            assert.match(await listen(page, 'events', `/task/${id}/events`), /uploading/);
            const deleted = await ask(page, `/uploads/files/${id}`, {
                method: 'DELETE',
                headers: { 'Tus-Resumable': '1.0.0' },
            });
            assert.equal(deleted.status, 204, JSON.stringify(deleted));
            await until('it is gone', () => rig.daemon.uploads().length === 0);
        }
    },
    { ...foreign, http: `static_dir = '${FRONT_END}'` },
);
