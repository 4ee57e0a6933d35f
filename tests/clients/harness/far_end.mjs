// Another machine: it has recordings that can be fetched, and receives callbacks.
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import http from 'node:http';
import { basename, join } from 'node:path';
import { json } from 'node:stream/consumers';

export class FarEnd {
    /** What was sent to it: `{ path, told }`. */
    calls = [];

    /** Has the files of a folder, whatever path they are asked for by. */
    static async listen(folder) {
        const far = new FarEnd();
        far.server = http.createServer(async (request, answer) => {
            const path = new URL(request.url, far.address).pathname;
            if (request.method === 'GET') {
                const file = createReadStream(join(folder, basename(path)));
                file.on('error', () => answer.writeHead(404).end());
                file.pipe(answer);
                return;
            }
            far.calls.push({ path, told: await json(request) });
            answer.end();
        });
        far.server.listen(0, '127.0.0.1');
        await once(far.server, 'listening');
        far.address = `http://127.0.0.1:${far.server.address().port}`;
        return far;
    }

    close() {
        this.server.close();
        this.server.closeAllConnections();
    }
}
