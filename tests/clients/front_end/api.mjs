// Requests to the server that the page came from.

/** What every request carries once there is a token. */
export function headers() {
    const token = localStorage.getItem('token');
    return token ? { Authorization: `Bearer ${token}` } : {};
}

/** The JSON that is answered; throws what the server says is wrong. */
export async function ask(path, options = {}) {
    const answer = await fetch(path, { ...options, headers: { ...options.headers, ...headers() } });
    const body = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(body.detail), { status: answer.status });
    return body;
}
