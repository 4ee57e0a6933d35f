// tus-js-client in Node. Its one argument is the job, see `harness/program.mjs`.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import * as tus from 'tus-js-client';

import { client } from './tus-js.mjs';

const report = (what) => console.log(JSON.stringify(what));
const job = JSON.parse(process.argv[2]);
const storage = job.storage ? { urlStorage: new tus.FileUrlStorage(job.storage) } : {};
// A file's length is known; that of what comes out of a pipe is not.
const file = createReadStream(job.file);
const source = job.options?.uploadLengthDeferred ? file.pipe(new PassThrough()) : file;
const running = client(tus, source, job, storage);

createInterface(process.stdin).on('line', async (command) => {
    try {
        await running[command]();
        report({ done: command });
    } catch (error) {
        report({ error: String(error) });
    }
});
running.url.then(
    (url) => report({ url }),
    (error) => report({ error: String(error) }),
).finally(() => process.stdin.destroy());
