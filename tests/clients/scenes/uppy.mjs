// Uppy and its Tus plugin in a page.
import { checkPage } from '../harness/pages.mjs';

await checkPage('Uppy', 'uppy');
