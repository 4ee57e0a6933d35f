// Uppy and its Tus plugin in a page.
import { check_page } from '../harness/pages.mjs';

await check_page('Uppy', 'uppy');
