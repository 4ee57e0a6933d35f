// tus-js-client in a page.
import { check_page } from '../harness/pages.mjs';

await check_page('tus-js-client', 'tus-js-client');
