// tus-js-client in a page.
import { checkPage } from '../harness/pages.mjs';

await checkPage('tus-js-client', 'tus-js-client');
