// Uses DIRECTORY/index.html as people do, with the browser's own messages as problems. See scripts/catalogue-test.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const directory = process.argv[2];
const require = createRequire(join(directory, 'node_modules', 'x.js'));
const { chromium } = require('playwright-core');
const { AxeBuilder } = require('@axe-core/playwright');

// Milliseconds, on an ordinary machine with little else to do.
const LONGEST = Number(process.env.LONGEST ?? 200);
const { images } = JSON.parse(readFileSync(join(directory, 'catalogue.json'), 'utf8'));
const executablePath = execFileSync('which', ['chromium'], { encoding: 'utf8' }).trim();
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });

async function opened(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const [said, asked] = [[], []];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('request', (request) => asked.push(request.url()));
  const address = `file://${directory}/index.html`;
  await page.goto(address);
  await page.waitForSelector('#images summary');
  const calm = () => assert.deepEqual({ said, asked }, { said: [], asked: [address] });
  return { page, context, calm };
}

async function painted(page, name, value) {
  return page.evaluate(([name, value]) => new Promise((done) => {
    const field = document.getElementById(name);
    const began = performance.now();
    field.value = value;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  }), [name, value]);
}

const median = (numbers) => numbers.sort((one, other) => one - other)[Math.floor(numbers.length / 2)];
const count = (page) => page.textContent('#count');

async function serious(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.filter((one) => ['serious', 'critical'].includes(one.impact));
  assert.deepEqual(found.map((one) => `${one.id}: ${one.nodes[0].html}`), []);
}

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    const { page, context, calm } = await opened({ colorScheme, viewport: { width, height: 900 } });
    await page.locator('#images summary').first().click();
    await page.screenshot({ path: join(directory, `catalogue-${width}-${colorScheme}.png`) });
    await serious(page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${wide} px wider than ${width}`);
    calm();
    await context.close();
  }
}

const { page, context, calm } = await opened({ permissions: ['clipboard-read', 'clipboard-write'] });
assert.equal(await count(page), `${images.length} of ${images.length} images`);

// By name, by digest, and both filters.
const one = images[1234];
await page.fill('#search', one.digest);
assert.equal(await count(page), `1 of ${images.length} images`);
assert.equal(await page.textContent('#images bdi'), one.source);
await page.fill('#search', `TEAM-7 arm64`);
const expected = images.filter((image) => image.source.includes('team-7') && image.platforms.some((each) => each.platform.includes('arm64')));
assert.equal(await count(page), `${expected.length} of ${images.length} images`);
await page.fill('#search', '');
await page.selectOption('#registry', 'quay.io');
await page.selectOption('#attached', 'signature');
const signed = images.filter((image) => image.source.startsWith('quay.io/') && image.attachments.length > 0);
assert.equal(await count(page), `${signed.length} of ${images.length} images`);
await page.selectOption('#attached', 'verified');
const checked = images.filter((image) => image.source.startsWith('quay.io/') && image.verified !== null);
assert.equal(await count(page), `${checked.length} of ${images.length} images`);
assert.ok(checked.length > 0 && checked.length < signed.length);
await page.selectOption('#registry', '');
await page.selectOption('#attached', '');

// The keyboard alone: to the search, past both filters, to the first image, open it, to its button, copy.
await page.locator('h1').click();
await page.keyboard.press('/');
await page.keyboard.type(one.source);
for (const key of ['Tab', 'Tab', 'Tab', 'Enter']) await page.keyboard.press(key);
await page.waitForSelector('#images .line');
for (const key of ['Tab', 'Enter']) await page.keyboard.press(key);
await page.waitForFunction(() => document.getElementById('said').textContent.startsWith('Copied'));
assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `docker pull ${one.pinned}`);
await page.fill('#search', '');
await page.locator('#more').focus();
await page.keyboard.press('Enter');
assert.equal(await page.locator('#images > li').count(), 200);
assert.equal(await page.evaluate(() => document.activeElement.textContent.includes(':')), true);

// What a registry says is text.
const hostile = images.find((image) => image.attachments.length > 0);
await page.fill('#search', hostile.source);
await page.locator('#images summary').first().click();
await page.waitForSelector('#images .line');
assert.ok((await page.textContent('#images')).includes('<img src=x onerror=alert(1)>'));
assert.equal(await page.locator('img').count(), 0);

const searches = [];
for (const word of ['app', 'team-3', 'arm64', 'sha256:0', 'zzz', '', 'quay.io/team', '1.29', 'linux amd64']) searches.push(await painted(page, 'search', word));
calm();
await context.close();

const paints = [];
for (let round = 0; round < 5; round += 1) {
  const fresh = await opened({});
  paints.push(await fresh.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity));
  await fresh.context.close();
}
await browser.close();
console.log(`${images.length} images: first paint ${median(paints).toFixed(0)} ms, a search ${median(searches).toFixed(0)} ms, the slowest ${Math.max(...searches).toFixed(0)} ms`);
assert.ok(median(paints) < LONGEST && median(searches) < LONGEST, `longer than ${LONGEST} ms`);
