// Another machine: it has recordings that can be fetched, and receives callbacks.
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import http from 'node:http';
import { basename, join } from 'node:path';
import { json } from 'node:stream/consumers';

export class RemoteServer {
    /** What was sent to it: `{ path, body }`. */
    calls = [];

    /** Has the files of a folder, whatever path they are asked for by. */
    static async listen(folder) {
        const remote = new RemoteServer();
        remote.server = http.createServer(async (request, answer) => {
            const path = new URL(request.url, remote.address).pathname;
            if (request.method === 'GET') {
                const file = createReadStream(join(folder, basename(path)));
                file.on('error', () => answer.writeHead(404).end());
                file.pipe(answer);
                return;
            }
            remote.calls.push({ path, body: await json(request) });
            answer.end();
        });
        remote.server.listen(0, '127.0.0.1');
        await once(remote.server, 'listening');
        remote.address = `http://127.0.0.1:${remote.server.address().port}`;
        return remote;
    }

    close() {
        this.server.close();
        this.server.closeAllConnections();
    }
}
