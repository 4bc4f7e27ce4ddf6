// Renders DIRECTORY/*.md as GitHub does, measures each page in a browser, and takes a picture of it; with a second argument,
// that page alone, Markdown or HTML, and the pictures go beside it. See scripts/pictures.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

const [, , directory, single] = process.argv;
const require = createRequire(join(directory, 'node_modules', 'x.js'));
const { marked } = require('marked');

const CONTENT = 900;
const FIRST_FAILURE = 400;
const DAILY_RUN = 1200;

// What GitHub lets through of the markup that a summary is made of: anything else would not be there to be measured.
const ALLOWED = new Set(
  'a blockquote br code del details em h2 h3 input li ol p pre strong sub summary table tbody td th thead tr ul wbr'.split(' '),
);

function page(markdown, theme) {
  const html = marked.parse(markdown, { gfm: true });
  for (const [, tag] of html.matchAll(/<([a-z0-9]+)/g)) {
    if (!ALLOWED.has(tag)) throw new Error(`GitHub would drop <${tag}>`);
  }
  const style = readFileSync(join(directory, 'node_modules/github-markdown-css', `github-markdown-${theme}.css`), 'utf8');
  const back = theme === 'dark' ? '#0d1117' : '#ffffff';
  return `<!doctype html><meta charset="utf-8"><style>${style}
    body { margin: 0; background: ${back} } #content { width: ${CONTENT}px; padding: 16px }</style>
    <article id="content" class="markdown-body">${html}</article><script>
    const content = document.querySelector('#content');
    const wide = () => [...content.querySelectorAll('*')]
      .filter((one) => one.clientWidth > 0 && (one.scrollWidth > one.clientWidth + 1 || one.getBoundingClientRect().right > ${CONTENT} + 17))
      .map((one) => one.tagName.toLowerCase() + ': ' + one.textContent.trim().slice(0, 80));
    const failure = [...content.querySelectorAll('td, strong')].find((one) => /^(❌|Failed)/.test(one.textContent));
    const measures = { height: content.offsetHeight, failure: failure?.getBoundingClientRect().bottom, wide: wide() };
    content.querySelectorAll('details').forEach((one) => { one.open = true; });
    measures.wide.push(...wide().map((one) => one + ' (unfolded)'));
    content.querySelectorAll('details').forEach((one) => { one.open = false; });
    document.documentElement.dataset.measures = JSON.stringify(measures);
    </script>`;
}

function browse(file, height, ...more) {
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--force-device-scale-factor=1'];
  return execFileSync('chromium', [...flags, `--window-size=${CONTENT + 32},${height}`, ...more, `file://${file}`], {
    encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28,
  });
}

// `png` with a chunk that says of which text it was taken: tests/it/pictures.rs looks for it.
function taken(png, markdown) {
  const words = `tEXtSource\0sha256:${createHash('sha256').update(markdown).digest('hex')}`;
  const chunk = Buffer.from(words, 'latin1');
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(chunk.length - 4);
  check.writeUInt32BE(crc32(chunk));
  const end = png.length - 12; // IEND
  return Buffer.concat([png.subarray(0, end), length, chunk, check, png.subarray(end)]);
}

// The catalogue, with its first image opened as by a click: its own policy lets in no script that does that.
function opened(html) {
  return html.replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '') + `<script>
    document.querySelector('#images details').open = true;
    setTimeout(() => { document.documentElement.dataset.measures = JSON.stringify({ height: document.body.offsetHeight + 40 }); }, 100);
    </script>`;
}

if (single) {
  const text = readFileSync(single, 'utf8');
  for (const theme of ['light', 'dark']) {
    const [html, png] = [join(directory, `single-${theme}.html`), single.replace(/\.(md|html)$/, `-${theme}.png`)];
    writeFileSync(html, single.endsWith('.html') ? opened(text) : page(text, theme));
    const more = ['--virtual-time-budget=2000', `--blink-settings=preferredColorScheme=${theme === 'dark' ? 0 : 1}`];
    const height = JSON.parse(browse(html, 1000, '--dump-dom', ...more).match(/data-measures="([^"]*)"/)[1].replaceAll('&quot;', '"')).height;
    browse(html, Math.ceil(height) + 1, `--screenshot=${join(process.cwd(), png)}`, ...more);
    writeFileSync(png, taken(readFileSync(png), text));
  }
  process.exit(0);
}

let problems = 0;
const promised = (name, holds, what) => {
  if (holds) return;
  problems += 1;
  console.error(`pictures: ${name}: ${what}`);
};
for (const file of readdirSync(directory).filter((file) => file.endsWith('.md')).sort()) {
  const name = file.slice(0, -'.md'.length);
  const markdown = readFileSync(join(directory, file), 'utf8');
  for (const theme of ['light', 'dark']) {
    const html = join(directory, `${name}-${theme}.html`);
    writeFileSync(html, page(markdown, theme));
    const found = browse(html, 1000, '--dump-dom').match(/data-measures="([^"]*)"/)[1];
    const measures = JSON.parse(found.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'));
    browse(html, Math.min(Math.ceil(measures.height) + 1, 6000), `--screenshot=${join(directory, `${name}-${theme}.png`)}`);
    if (theme === 'dark') continue;
    console.log(`${name}: ${measures.height} px, first failure at ${measures.failure ?? '–'}`);
    promised(name, measures.wide.length === 0, `wider than its box:\n  ${measures.wide.join('\n  ')}`);
    promised(name, !name.includes('failed') || measures.failure <= FIRST_FAILURE, `the first failure ends at ${measures.failure}`);
    promised(name, !name.includes('unchanged') || measures.height <= DAILY_RUN, `it is ${measures.height} high`);
  }
}
process.exit(problems > 0 ? 1 : 0);
