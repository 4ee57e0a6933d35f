// A page that uploads the file that was chosen, with the client it is asked for.
import * as tus from 'tus-js-client';

import { client } from '../programs/tus-js.mjs';
import { uppy } from './uppy.mjs';

/** Requests as pages send them that are logged in. */
const credentialed = {
    onBeforeRequest: (request) => {
        request.getUnderlyingObject().withCredentials = true;
    },
};

const CLIENTS = {
    'tus-js-client': (file, job) => client(tus, file, job, credentialed),
    uppy,
};

window.begin = (job) => {
    const [file] = document.querySelector('input').files;
    window.running = CLIENTS[job.client](file, job);
};
