// Renders every document as GitHub does, as wide as a page of 1,280 and one of 390 pixels leave it, and says what is wider
// than its box there. See scripts/pictures.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [, , directory] = process.argv;
const { marked } = createRequire(join(directory, 'node_modules', 'x.js'))('marked');
const style = readFileSync(join(directory, 'node_modules/github-markdown-css/github-markdown-light.css'), 'utf8');

const WIDTHS = [830, 358];
// A comparison of that many columns is scrolled on a telephone; and code is, wherever it is long.
const COLUMNS = 5;

const files = execFileSync('git', ['ls-files', '-z', '--', 'README*.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs'], { encoding: 'utf8' })
  .split('\0').filter((file) => file.endsWith('.md'));
const articles = files.map((file) => {
  const html = marked.parse(readFileSync(file, 'utf8'), { gfm: true }).replaceAll('</script', '');
  return `<article class="markdown-body" data-file="${file}">${html}</article>`;
});
const page = join(directory, 'documents.html');
const found = [];
for (const width of WIDTHS) {
  writeFileSync(page, `<!doctype html><meta charset="utf-8"><style>${style} article { width: ${width}px }</style>${articles.join('\n')}<script>
    const wide = [];
    for (const article of document.querySelectorAll('article')) {
      for (const one of article.querySelectorAll(':scope > *, table')) {
        if (one.tagName === 'PRE' || one.scrollWidth <= one.clientWidth + 1) continue;
        if (one.tagName === 'TABLE' && ${width} < 800 && one.rows[0].cells.length >= ${COLUMNS}) continue;
        wide.push(article.dataset.file + ': ' + one.tagName.toLowerCase() + ', by ' + (one.scrollWidth - one.clientWidth)
          + ' pixels at ${width}: ' + one.textContent.trim().slice(0, 60).replace(/\\s+/g, ' '));
      }
    }
    document.title = JSON.stringify(wide);
  </script>`);
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--window-size=1280,800', '--dump-dom'];
  const dom = execFileSync('chromium', [...flags, `file://${page}`], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 });
  const text = dom.match(/<title>([^<]*)<\/title>/)[1].replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  found.push(...JSON.parse(text));
}
console.log(`documents: ${files.length} as GitHub shows them, ${WIDTHS.join(' and ')} pixels wide`);
for (const one of found) console.error(`documents: wider than its box: ${one}`);
process.exit(found.length > 0 ? 1 : 0);
