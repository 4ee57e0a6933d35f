// A small single-page application: sends recordings, follows them, lists and
// searches them, shows their text, deletes them. Its addresses are /ui/ and
// /ui/tasks/ID.
import { ask } from './api.mjs';
import { follow } from './follow.mjs';
import { send } from './send.mjs';

const main = document.querySelector('main');
/** Ends what the view that is shown has begun. */
let leave = () => {};
/** The upload of this page, if there is one. */
let sending = null;

function element(name, attributes = {}, ...children) {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...children);
    return made;
}

function go(path) {
    history.pushState(null, '', path);
    show();
}

function show() {
    leave();
    leave = () => {};
    const [, id] = /^\/ui\/tasks\/(.+)$/.exec(location.pathname) ?? [];
    if (id) showTask(id);
    else showList();
}

function showList() {
    const query = element('input', { id: 'query', type: 'search', placeholder: 'Part of the name' });
    const status = element('select', { id: 'status' });
    const every = ['', 'queued', 'processing', 'completed', 'failed'];
    status.append(...every.map((value) => element('option', { value, textContent: value || 'all' })));
    const total = element('p', { id: 'total' });
    const rows = element('ul', { id: 'tasks' });
    main.replaceChildren(query, status, total, rows);
    let newest = 0;
    const load = async () => {
        const mine = (newest += 1);
        const search = new URLSearchParams({ q: query.value, status: status.value, page: 1, page_size: 20 });
        const found = await ask(`/task/all?${search}`).catch((error) => ({ tasks: [], error }));
        if (mine !== newest) return;
        total.textContent = found.error ? found.error.message : `${found.total} recordings`;
        rows.replaceChildren(
            ...found.tasks.map((task) => {
                const link = element('a', { href: `/ui/tasks/${task.identifier}`, textContent: task.file_name });
                return element('li', {}, link, ` ${task.status}`);
            }),
        );
    };
    query.oninput = load;
    status.onchange = load;
    return load();
}

/** Returns once the progress of the task is sent, or at least asked for. */
function showTask(id) {
    const title = element('h1');
    const state = element('p', { id: 'state' });
    const by = element('p', { id: 'by' });
    const bar = element('progress', { max: 100, value: 0 });
    const steps = element('ol', { id: 'history' });
    const text = element('div', { id: 'text' });
    const remove = element('button', { id: 'delete', textContent: 'Delete' });
    const cancel = element('button', { id: 'cancel', textContent: 'Cancel', hidden: sending?.id !== id });
    main.replaceChildren(title, state, bar, by, text, remove, cancel, steps);

    const describe = async () => {
        const { status, result, metadata, error } = await ask(`/task/${id}`);
        title.textContent = metadata.file_name;
        if (status === 'failed') state.textContent = error;
        for (const segment of result?.segments ?? []) {
            text.append(element('p', { textContent: `${segment.start.toFixed(1)} ${segment.text.trim()}` }));
        }
    };
    const followed = follow(id, (news) => {
        by.textContent = `told by ${news.by}`;
        state.textContent = news.error ?? `${news.stage} ${news.percentage} %`;
        bar.value = news.percentage ?? 0;
        steps.append(element('li', { textContent: state.textContent }));
        if (news.stage === 'complete') describe();
    });
    leave = followed.stop;
    remove.onclick = async () => {
        await ask(`/task/${id}/delete`, { method: 'DELETE' });
        go('/ui/');
    };
    cancel.onclick = async () => {
        await sending.cancel();
        go('/ui/');
    };
    return followed.ready;
}

document.querySelector('#file').onchange = async ({ target }) => {
    const [file] = target.files;
    target.value = '';
    const begun = async (id, cancel) => {
        sending = { id, cancel };
        history.pushState(null, '', `/ui/tasks/${id}`);
        leave();
        await showTask(id);
    };
    try {
        await send(file, begun);
    } catch (error) {
        main.prepend(element('p', { id: 'failure', textContent: error.message }));
    }
    sending = null;
};

const token = document.querySelector('#token');
token.value = localStorage.getItem('token') ?? '';
token.onchange = () => {
    localStorage.setItem('token', token.value);
    show();
};

document.addEventListener('click', (event) => {
    const link = event.target.closest('a');
    if (!link) return;
    event.preventDefault();
    go(link.href);
});
addEventListener('popstate', show);
show();
