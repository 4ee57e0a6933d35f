// Uppy with its Tus plugin, as a client like that of `programs/tus-js.mjs`.
import Uppy from '@uppy/core';
import Tus from '@uppy/tus';

import { SETTINGS } from '../programs/tus-js.mjs';

export function uppy(file, job) {
    const uploads = new Uppy().use(Tus, {
        ...SETTINGS,
        endpoint: `${job.server}/uploads/files/`,
        headers: job.headers,
        withCredentials: true,
    });
    uploads.addFile({ name: file.name, type: file.type, data: file, meta: job.metadata });
    return {
        url: uploads.upload().then(({ successful, failed }) => {
            if (failed.length > 0) throw new Error(failed[0].error);
            return successful[0]?.uploadURL;
        }),
        pause: () => uploads.pauseAll(),
        resume: () => uploads.resumeAll(),
        cancel: () => uploads.cancelAll(),
    };
}
