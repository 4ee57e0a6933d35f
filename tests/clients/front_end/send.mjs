// Sends a recording: a large one resumably, a small one in a form.
import * as tus from 'tus-js-client';

import { ask, headers } from './api.mjs';

const MIB = 1 << 20;
const LARGE_BYTES = 80 * MIB;
const CHUNK_BYTES = 50 * MIB;
const WISHES = { language: 'auto', model: 'large-v3' };

/**
 * Returns once all of it has arrived, or it was cancelled. `begun` is called
 * with the id of its task, and a way to cancel it where there is one; a large
 * one is sent once that is done.
 */
export async function send(file, begun) {
    if (file.size < LARGE_BYTES) {
        const body = new FormData();
        body.append('file', file);
        const taken = await ask(`/speech-to-text?${new URLSearchParams(WISHES)}`, { method: 'POST', body });
        await begun(taken.identifier);
        return;
    }
    const { promise, resolve, reject } = Promise.withResolvers();
    const upload = new tus.Upload(file, {
        endpoint: '/uploads/files/',
        chunkSize: CHUNK_BYTES,
        retryDelays: [1000, 2000, 4000],
        removeFingerprintOnSuccess: true,
        headers: headers(),
        metadata: { filename: file.name, filetype: file.type, ...WISHES, taskId: crypto.randomUUID() },
        onSuccess: resolve,
        onError: reject,
    });
    const [previous] = await upload.findPreviousUploads();
    if (previous) {
        upload.resumeFromPreviousUpload(previous);
        upload.options.metadata = previous.metadata;
    }
    const cancel = async () => {
        await upload.abort(true);
        resolve();
    };
    await begun(upload.options.metadata.taskId, cancel);
    upload.start();
    await promise;
}
