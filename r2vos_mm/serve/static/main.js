// Connect the parts of the page.

import { follow, request, send, upload } from './api.js';
import { draw } from './draw.js';
import { silhouette } from './masks.js';
import { Player } from './player.js';
import { Row } from './results.js';

const MASKS_KEPT = 160;
const ARROW = 'M12 4v11m0 0 5-5m-5 5-5-5M4 17v2a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-2';
const FILES = [
  ['overlay.mp4', 'Video', 'masks drawn in, mp4'],
  ['masks.zip', 'Masks', 'one PNG per frame, ZIP'],
  ['cutouts.zip', 'Cut-outs', 'objects on transparent ground, ZIP'],
  ['masks.json', 'Data', 'verdicts, scores, run-length codes, JSON'],
];
const OTHER_FILES = [
  ['youtube_vis.json', 'YouTube-VIS'],
  ['veval.json', 'SA-Co/VEval'],
];

const at = (id) => document.getElementById(id);
const palette = readPalette();
const player = new Player(drawFrame, showState);
const state = {
  about: null, // what the server knows
  clip: null, // what is on the stage
  texts: [], // chips
  job: null, // what runs
  result: null, // what was found in the clip
  resultKey: null,
  rows: [],
  masks: new Map(),
};

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  return [...Array(8).keys()].map((index) => {
    const value = parseInt(style.getPropertyValue(`--c${index}`).trim().slice(1), 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  });
}

function plural(count, one) {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

function say(message, isNote = false) {
  at('alert').hidden = !message;
  at('alert').classList.toggle('note', isNote);
  at('alert').textContent = message;
}

// ---- the clip

async function useClip(promise, message) {
  say('');
  at('reading').textContent = message;
  try {
    showClip(await promise);
  } catch (error) {
    say(error.message);
  } finally {
    at('reading').textContent = state.clip ? describe(state.clip) : '';
    at('file').value = '';
  }
}

function describe(clip) {
  const [height, width] = clip.size;
  const length = clip.frames > 1 ? `, ${(clip.frames / clip.fps).toFixed(1)} s` : '';
  return `${clip.title}: ${plural(clip.frames, 'frame')}, ${width}×${height}${length}`;
}

function uploadFile(file) {
  if (!file) return;
  const { upload_bytes: most } = state.about.limits;
  if (file.size > most) {
    say(`${file.name} has ${megabytes(file.size)}, more than ${megabytes(most)}: cut the clip, or make it smaller`);
    return;
  }
  const onProgress = (share) => {
    const percent = Math.round(100 * share);
    at('reading').textContent = percent < 100 ? `Uploading ${percent} %` : 'Reading the video…';
  };
  useClip(upload(file, onProgress), 'Uploading…');
}

function megabytes(bytes) {
  return `${Math.round(bytes / 2 ** 20)} MB`;
}

function showClip(clip) {
  cancel();
  forgetResult();
  state.clip = clip;
  at('empty').hidden = true;
  ['play', 'back', 'forward'].forEach((id) => (at(id).disabled = clip.frames < 2));
  at('scrub').max = clip.frames - 1;
  at('scrub').disabled = clip.frames < 2;
  document.querySelectorAll('#sample-list button').forEach((button) => {
    button.setAttribute('aria-pressed', String(clip.is_sample && button.textContent === clip.title));
  });
  fitCanvas();
  player.open(clip);
  showChips();
  showNotes();
  if (!matchMedia('(prefers-reduced-motion: reduce)').matches) player.play();
}

// What is missing from a damaged clip, and what the model does not know.
function showNotes() {
  const notes = [state.clip.problem, state.clip.is_sample ? null : state.about.note];
  say(notes.filter(Boolean).join(' '), true);
}

// ---- the expressions

function addTexts(given) {
  const { texts: most, text_length: longest } = state.about.limits;
  const fresh = given.split('\n').map((text) => text.trim().replace(/\s+/g, ' '));
  for (const text of fresh.filter(Boolean)) {
    if (state.texts.some((other) => other.toLowerCase() === text.toLowerCase())) continue;
    if (state.texts.length >= most) return say(`At most ${plural(most, 'object')} at a time.`);
    if (text.length > longest) return say(`A description has at most ${longest} characters.`);
    state.texts.push(text);
  }
  at('text').value = '';
  showChips();
}

function showChips() {
  at('chips').replaceChildren(
    ...state.texts.map((text, index) => {
      const item = document.createElement('li');
      item.style.setProperty('--colour', `var(--c${index % 8})`);
      const swatch = document.createElement('i');
      swatch.className = 'swatch';
      const words = document.createElement('span');
      words.textContent = text;
      const remove = document.createElement('button');
      remove.type = 'button';
      remove.textContent = '×';
      remove.setAttribute('aria-label', `Remove ${text}`);
      remove.addEventListener('click', () => {
        state.texts.splice(index, 1);
        showChips();
        at('text').focus();
      });
      item.append(swatch, words, remove);
      return item;
    }),
  );
  showSuggestions();
  updateRun();
}

function showSuggestions() {
  const left = (state.clip?.texts ?? []).filter((text) => !state.texts.includes(text));
  at('suggestions').hidden = !left.length;
  at('suggestion-list').replaceChildren(
    ...left.map((text) => {
      const button = pill(text, () => addTexts(text));
      button.setAttribute('aria-label', `Add ${text}`);
      return button;
    }),
  );
}

function pill(text, onClick) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'pill';
  button.textContent = text;
  button.addEventListener('click', onClick);
  return button;
}

function updateRun() {
  const hasText = state.texts.length > 0 || at('text').value.trim() !== '';
  at('run').disabled = !state.clip || !hasText || state.job !== null;
}

// ---- the job

async function run() {
  if (at('text').value.trim()) addTexts(at('text').value);
  if (!state.clip || !state.texts.length) return;
  showNotes();
  const clip = state.clip;
  state.job = { key: null };
  updateRun();
  at('running').hidden = false;
  showProgress({ state: 'queued', position: 0, done: 0, total: clip.frames });
  try {
    const started = await send('api/jobs', { clip: clip.key, texts: state.texts });
    state.job = started;
    const job = await follow(started.key, showProgress);
    if (job.state === 'failed') throw new Error(job.error);
    if (job.state === 'done') showResult(await request(`api/jobs/${job.key}/result`), job, clip);
  } catch (error) {
    say(error.message);
  } finally {
    state.job = null;
    at('running').hidden = true;
    updateRun();
  }
}

function showProgress(job) {
  at('progress').max = Math.max(job.total, 1);
  if (job.state === 'running' && job.done) at('progress').value = job.done;
  else at('progress').removeAttribute('value');
  const waiting = job.position ? `${plural(job.position, 'request')} before yours` : 'Starting…';
  const done = job.done ? `${job.done} of ${plural(job.total, 'frame')}` : 'Segmenting…';
  at('running-text').textContent = job.state === 'queued' ? waiting : done;
}

function cancel() {
  if (!state.job?.key) return;
  const options = { method: 'DELETE', keepalive: true }; // also while the page is closed
  request(`api/jobs/${state.job.key}`, options).catch(() => {});
}

// ---- the result

function forgetResult() {
  state.result = null;
  state.rows = [];
  state.masks.clear();
  at('results').hidden = true;
  at('save').hidden = true;
}

function showResult(result, job, clip) {
  if (clip !== state.clip) return;
  state.masks.clear();
  state.result = result;
  state.resultKey = job.key;
  const handlers = { onToggle: drawFrame, onSeek: (frame) => seek(frame) };
  state.rows = result.texts.map((_, index) => new Row(result, index, clip.fps, handlers));
  at('rows').replaceChildren(...state.rows.map((row) => row.node));
  at('results').classList.toggle('unjudged', !result.judged);
  at('results').hidden = false;
  at('save').hidden = false;
  at('rejected-label').hidden = !result.judged;
  at('lane-end').textContent = `${(clip.frames / clip.fps).toFixed(1)} s`;
  at('threshold').value = result.gate_threshold;
  gate();
  if (at('stage').getBoundingClientRect().top > 0.6 * innerHeight) at('view').scrollIntoView();
}

function threshold() {
  return Number(at('threshold').value);
}

// Judge again with the threshold of the slider; the model does not run.
function gate() {
  const limit = threshold();
  at('threshold-value').textContent = limit.toFixed(2);
  state.rows.forEach((row) => row.gate(limit));
  const found = state.rows.filter((row) => row.found).length;
  const count = state.rows.length;
  at('summary').textContent = state.result.judged
    ? `${found} of ${plural(count, 'object')} in the clip`
    : 'This model gives no verdicts';
  showDownloads(limit);
  showOtherDownloads(limit);
  drawFrame();
}

function showDownloads(limit) {
  at('save-hint').textContent = state.result.judged ? `With threshold ${limit.toFixed(2)}.` : '';
  at('downloads').replaceChildren(
    ...FILES.map(([name, title, what]) => {
      const link = downloadLink(name, limit);
      link.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ARROW}"/></svg>`;
      const label = document.createElement('strong');
      label.textContent = title;
      const small = document.createElement('small');
      const mayNotPlay = name === 'overlay.mp4' && !state.about.h264;
      small.textContent = mayNotPlay ? 'browsers may not play it: pip install av' : what;
      link.append(label, small);
      const item = document.createElement('li');
      item.append(link);
      return item;
    }),
  );
}

function downloadLink(name, limit) {
  const link = document.createElement('a');
  link.href = `api/jobs/${state.resultKey}/${name}?threshold=${limit}`;
  link.download = '';
  return link;
}

function showOtherDownloads(limit) {
  at('other-downloads').replaceChildren(
    ...OTHER_FILES.map(([name, title]) => {
      const link = downloadLink(name, limit);
      link.textContent = title;
      return link;
    }),
  );
}

// ---- the stage

function seek(frame) {
  player.pause();
  player.seek(frame);
}

function step(count) {
  if (state.clip) seek((player.index + count + state.clip.frames) % state.clip.frames);
}

function maskOf(row, frame) {
  const key = `${row} ${frame}`;
  if (!state.masks.has(key)) {
    if (state.masks.size >= MASKS_KEPT) state.masks.delete(state.masks.keys().next().value);
    const { codes, size } = state.result;
    state.masks.set(key, silhouette(codes[row][frame], size, palette[row % 8]));
  }
  return state.masks.get(key);
}

function masksOf(frame, isWanted) {
  return state.rows.flatMap((row, index) =>
    row.shown && row.areas[frame] > 0 && isWanted(row) ? [maskOf(index, frame)] : [],
  );
}

function drawFrame() {
  const picture = player.picture;
  if (!picture) return;
  const frame = player.index;
  const effect = state.result ? document.querySelector('[name=effect]:checked').value : 'none';
  const masks = masksOf(frame, (row) => row.found);
  const rejected = at('rejected').checked ? masksOf(frame, (row) => !row.found) : [];
  draw(at('canvas'), picture, { masks, rejected, effect });
  at('stage').classList.toggle('cutout', effect === 'cutout');
  at('caption').hidden = masks.length > 0 || !['cutout', 'blur'].includes(effect);
  at('caption').textContent = 'no object in this frame';
  showPosition(frame);
}

function showPosition(frame) {
  const { frames, fps } = state.clip;
  at('scrub').value = frame;
  at('scrub').setAttribute('aria-valuetext', `frame ${frame + 1} of ${frames}`);
  at('time').textContent = `${(frame / fps).toFixed(2)} s · ${frame + 1}/${frames}`;
  const found = state.rows.filter((row) => row.found && row.shown && row.areas[frame] > 0);
  const names = found.map((row) => row.text).join(', ');
  at('canvas').setAttribute(
    'aria-label',
    `${state.clip.title}, frame ${frame + 1} of ${frames}${names ? `: ${names}` : ''}`,
  );
  state.rows.forEach((row) => row.point(frame));
}

function showState() {
  at('play').classList.toggle('playing', player.playing);
  at('play').setAttribute('aria-label', player.playing ? 'Pause' : 'Play');
}

// As wide as the stage, at most as high as leaves room for the verdicts.
function fitCanvas() {
  if (!state.clip) return;
  const [height, width] = state.clip.size;
  const canvas = at('canvas');
  const scale = Math.min(at('stage').clientWidth / width, Math.max(240, 0.52 * innerHeight) / height);
  const density = Math.min(devicePixelRatio || 1, 2);
  canvas.style.width = `${Math.round(scale * width)}px`;
  canvas.width = Math.round(scale * width * density);
  canvas.height = Math.round(scale * height * density);
  drawFrame();
}

// ---- events

function listen() {
  at('file').addEventListener('change', () => uploadFile(at('file').files[0]));
  ['dragover', 'dragleave', 'drop'].forEach((kind) =>
    addEventListener(kind, (event) => {
      event.preventDefault();
      at('drop').classList.toggle('over', kind === 'dragover');
      if (kind === 'drop') uploadFile(event.dataTransfer.files[0]);
    }),
  );
  at('text').addEventListener('input', updateRun);
  at('text').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && at('text').value.trim()) {
      event.preventDefault();
      addTexts(at('text').value);
    } else if (event.key === 'Backspace' && !at('text').value && state.texts.length) {
      state.texts.pop();
      showChips();
    }
  });
  at('text').addEventListener('paste', (event) => {
    const pasted = event.clipboardData.getData('text');
    if (!pasted.includes('\n')) return;
    event.preventDefault();
    addTexts(pasted);
  });
  at('add').addEventListener('click', () => {
    addTexts(at('text').value);
    at('text').focus();
  });
  at('form').addEventListener('submit', (event) => {
    event.preventDefault();
    run();
  });
  at('cancel').addEventListener('click', cancel);
  at('play').addEventListener('click', () => player.toggle());
  at('back').addEventListener('click', () => step(-1));
  at('forward').addEventListener('click', () => step(1));
  at('scrub').addEventListener('input', () => seek(Number(at('scrub').value)));
  at('threshold').addEventListener('input', gate);
  at('rejected').addEventListener('change', drawFrame);
  at('effects').addEventListener('change', drawFrame);
  at('canvas').addEventListener('click', () => player.toggle());
  at('canvas').addEventListener('keydown', (event) => {
    const actions = {
      ' ': () => player.toggle(),
      ArrowLeft: () => step(-1),
      ArrowRight: () => step(1),
      Home: () => seek(0),
      End: () => seek(state.clip.frames - 1),
    };
    if (!state.clip || !actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
  addEventListener('resize', fitCanvas);
  addEventListener('pagehide', cancel);
}

async function start() {
  state.about = await request('api/about');
  const { model, limits, samples } = state.about;
  at('model').textContent = model;
  at('limits').textContent = `at most ${megabytes(limits.upload_bytes)} and ${limits.frames} frames`;
  at('text').maxLength = limits.text_length;
  at('samples').hidden = !samples.length;
  at('sample-list').replaceChildren(
    ...samples.map(({ name }) => {
      const address = `api/samples/${encodeURIComponent(name)}`;
      const open = () => useClip(request(address, { method: 'POST' }), 'Reading the video…');
      const button = pill(name, open);
      button.className = 'sample';
      const picture = document.createElement('img');
      picture.src = `${address}/picture`;
      picture.alt = '';
      button.prepend(picture);
      return button;
    }),
  );
  listen();
  document.body.dataset.ready = 'true';
}

start().catch((error) => say(error.message));
