'use strict';
// Text from registries comes in by textContent alone, and never as markup, address or style.
const { confirmed, images } = JSON.parse(document.getElementById('data').textContent);
const PAGE = 100;
const at = (id) => document.getElementById(id);
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const size = (bytes) => {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  for (; bytes >= 1024 && unit < units.length - 1; unit += 1) bytes /= 1024;
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${units[unit]}`;
};
const registry = (image) => image.source.slice(0, image.source.indexOf('/'));
const has = (image, kind) => (kind === 'verified' ? image.verified !== null : image.attachments.some((one) => one.kind === kind));
// Who has signed, proven: an identity, or a key by the beginning of its digest.
const signer = ({ identity, key }) => identity ?? `key ${key.slice(0, 19)}`;

async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // An old browser, or one that has no clipboard for a page from a file.
    const field = element('textarea', { value: text });
    document.body.append(field);
    field.select();
    done = document.execCommand('copy');
    field.remove();
    button.focus();
  }
  at('said').textContent = done ? `Copied: ${text}` : 'The browser does not let the page copy; select the line instead.';
  button.textContent = done ? 'Copied' : 'Copy';
}

function line(label, text) {
  const button = element('button', { type: 'button', textContent: 'Copy' });
  button.setAttribute('aria-label', `Copy ${label}`);
  button.addEventListener('click', () => copy(text, button));
  return element('div', { className: 'line' }, element('code', { textContent: text }), button);
}

function table(title, heads, rows) {
  const head = element('tr', {}, ...heads.map((textContent) => element('th', { scope: 'col', textContent })));
  const body = rows.map((cells) => element('tr', {}, ...cells.map((cell) => element('td', {}, element('bdi', { textContent: cell })))));
  const made = element('table', {}, element('caption', { textContent: title }), element('thead', {}, head), element('tbody', {}, ...body));
  const wide = element('div', { className: 'wide', tabIndex: 0 }, made);
  wide.setAttribute('role', 'region');
  wide.setAttribute('aria-label', title);
  return wide;
}

function inside(image) {
  const made = element('div', { className: 'inside' });
  made.append(line('the line for docker', `docker pull ${image.pinned}`), line('the line for podman', `podman pull ${image.pinned}`));
  made.append(line('the name for a Dockerfile or a manifest', image.pinned), line('the digest', image.digest));
  made.append(element('p', { className: 'quiet', textContent: image.exact
    ? 'The digest is the source’s. Anybody who can read both compares them:'
    : 'A part of the source’s image, with a digest of its own; the source’s is in catalogue.json.' }));
  if (image.exact) made.append(line('the line that asks the source', `docker buildx imagetools inspect ${image.source}`));
  if (image.platforms.length > 0) {
    const rows = image.platforms.map((one) => [one.platform, one.size === null ? '–' : size(one.size), one.digest]);
    made.append(table('Platforms', ['Platform', 'Size', 'Digest'], rows));
  }
  if (image.verified !== null) {
    const { policy, issuer, signed_at, kind, subject } = image.verified;
    const rows = [[policy, signer(image.verified), issuer ?? '–', signed_at ?? '–', kind, subject]];
    made.append(table('Signature checked before the copy', ['Policy', 'Signed by', 'Issuer', 'Signed', 'Form', 'Of'], rows));
  }
  if (image.attachments.length > 0) {
    const rows = image.attachments.map((one) => [one.kind, one.artifact_type ?? '–', one.subject, one.digest]);
    made.append(table('Attachments', ['Kind', 'Type', 'Of', 'Digest'], rows));
  }
  return made;
}

function row(image) {
  const marks = [];
  if (image.platforms.length > 0) marks.push(`${image.platforms.length} platform${image.platforms.length > 1 ? 's' : ''}`);
  if (image.size !== null) marks.push(size(image.size));
  const summary = element('summary', {}, element('bdi', { textContent: image.source }));
  for (const textContent of marks) summary.append(' ', element('span', { className: 'mark', textContent }));
  if (image.verified !== null) {
    summary.append(' ', element('span', { className: 'mark signed', title: signer(image.verified), textContent: `signed: ${image.verified.policy}` }));
  } else if (has(image, 'signature')) summary.append(' ', element('span', { className: 'mark signed', textContent: 'signature' }));
  const details = element('details', {}, summary);
  details.addEventListener('toggle', () => {
    if (details.open && details.childElementCount === 1) details.append(inside(image));
  });
  return element('li', {}, details);
}

const words = images.map((image) =>
  [image.source, image.target, image.digest, ...(image.verified === null ? [] : [signer(image.verified)]), ...image.platforms.flatMap((one) => [one.platform, one.digest])].join('\n').toLowerCase());
let found = images;
let shown = 0;

function more() {
  at('images').append(...found.slice(shown, shown + PAGE).map(row));
  shown = Math.min(shown + PAGE, found.length);
  at('more').hidden = shown === found.length;
}

function search() {
  const wanted = at('search').value.toLowerCase().split(/\s+/).filter(Boolean);
  const [from, kind] = [at('registry').value, at('attached').value];
  found = images.filter((image, number) => wanted.every((word) => words[number].includes(word))
    && (from === '' || registry(image) === from) && (kind === '' || has(image, kind)));
  at('count').textContent = `${found.length} of ${images.length} images`;
  at('images').replaceChildren();
  shown = 0;
  more();
}

at('confirmed').textContent = confirmed;
for (const name of [...new Set(images.map(registry))].sort()) at('registry').append(element('option', { value: name, textContent: name }));
at('form').addEventListener('input', search);
at('form').addEventListener('submit', (event) => event.preventDefault());
at('more').addEventListener('click', () => {
  const next = shown;
  more();
  at('images').children[next]?.querySelector('summary').focus();
});
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    at('search').focus();
  }
});
search();
