// Follows a task over a WebSocket; while that is refused or lost, by asking.
import { ask, headers } from './api.mjs';

const ASK_EVERY_MS = 500;

/**
 * Passes on what happens to the task until `stop` is called or it has ended.
 * `ready` resolves once the socket is open or was refused for the first time.
 */
export function follow(id, notify) {
    let socket = null;
    let hasEnded = false;
    const news = (what) => {
        if (hasEnded) return;
        hasEnded = Boolean(what.error) || what.stage === 'complete';
        notify(what);
    };
    let isReady;
    const ready = new Promise((resolve) => (isReady = resolve));
    const listen = (address) =>
        new Promise((resolve) => {
            socket = new WebSocket(address);
            socket.onopen = isReady;
            socket.onclose = ({ code }) => resolve(`the socket was closed with ${code}`);
            socket.onmessage = ({ data }) => {
                const message = JSON.parse(data);
                if (message.type === 'progress') {
                    news({ by: 'socket', stage: message.stage, percentage: message.percentage });
                } else if (message.type === 'error') {
                    news({ by: 'socket', error: message.user_message });
                }
            };
        });
    const run = async () => {
        while (!hasEnded) {
            let why = 'there is no ticket';
            const query = await ticket(id).catch(() => null);
            if (query !== null && !hasEnded) why = await listen(`/ws/tasks/${id}${query}`);
            isReady();
            if (hasEnded) return;
            const progress = await ask(`/tasks/${id}/progress`).catch(() => null);
            if (progress) {
                const error = progress.status === 'failed' ? progress.error : undefined;
                news({ by: `asking: ${why}`, stage: progress.stage, percentage: progress.percentage, error });
            }
            await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
        }
    };
    run();
    const stop = () => {
        hasEnded = true;
        socket?.close();
    };
    return { ready, stop };
}

/** What lets the socket in: nothing where no token is needed. */
async function ticket(task_id) {
    if (!headers().Authorization) return '';
    const body = JSON.stringify({ task_id });
    const made = await ask('/api/ws/ticket', { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
    return `?ticket=${made.ticket}`;
}
