// tus-js-client as the system that scribed replaces sets it up.

export const SETTINGS = {
    chunkSize: 50 * 1024 * 1024,
    retryDelays: [1000, 2000, 4000],
};

/**
 * A client of `tus` for `file`, with `url`, the promise of where the upload is
 * in the end, and commands. What was begun by an earlier client is gone on with.
 */
export function client(tus, file, job, options = {}) {
    let upload;
    const url = new Promise((resolve, reject) => {
        upload = new tus.Upload(file, {
            ...SETTINGS,
            endpoint: `${job.server}/uploads/files/`,
            metadata: job.metadata,
            headers: job.headers,
            ...options,
            ...job.options,
            onSuccess: () => resolve(upload.url),
            onError: (error) => {
                // This client gives up when there is no network at all; its user tries again.
                const again = () => upload.start();
                if (globalThis.navigator?.onLine === false) addEventListener('online', again, { once: true });
                else reject(error);
            },
        });
        const begin = ([previous]) => {
            if (previous) upload.resumeFromPreviousUpload(previous);
            upload.start();
        };
        upload.findPreviousUploads().then(begin).catch(reject);
    });
    return {
        url,
        pause: () => upload.abort(),
        resume: () => upload.start(),
        cancel: () => upload.abort(true),
    };
}
