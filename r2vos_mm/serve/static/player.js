// The frames of a clip: load them ahead, and step through them in time.

const AHEAD = 16;
const KEPT = 64;

export class Player {
  // onFrame is called whenever there is something new to draw, onState when playing starts or ends.
  constructor(onFrame, onState) {
    this.onFrame = onFrame;
    this.onState = onState;
    this.clip = null;
    this.index = 0;
    this.playing = false;
    this.pictures = new Map();
  }

  open(clip) {
    this.pause();
    this.close();
    this.clip = clip;
    this.stop = new AbortController();
    this.seek(0);
  }

  close() {
    this.stop?.abort();
    this.pictures.forEach((picture) => picture.then((image) => image?.close()));
    this.pictures.clear();
    this.clip = null;
  }

  // The picture of the current frame, null until it is there.
  get picture() {
    return this.current?.index === this.index ? this.current.image : null;
  }

  async seek(index) {
    const clip = this.clip;
    this.index = Math.min(Math.max(0, index), clip.frames - 1);
    const wanted = this.index;
    const image = await this.load(wanted);
    for (let step = 1; step <= AHEAD && clip === this.clip; step++) {
      this.load((wanted + step) % clip.frames);
    }
    if (clip !== this.clip || wanted !== this.index || !image) return;
    this.current = { index: wanted, image };
    this.onFrame();
  }

  load(index) {
    if (!this.pictures.has(index)) {
      this.forget(index);
      this.pictures.set(index, this.fetch(this.clip.key, index));
    }
    return this.pictures.get(index);
  }

  async fetch(key, index) {
    try {
      const answer = await fetch(`api/clips/${key}/${index}.jpg`, { signal: this.stop.signal });
      return answer.ok ? await createImageBitmap(await answer.blob()) : null;
    } catch {
      return null;
    }
  }

  // Free the pictures that are furthest behind.
  forget(index) {
    const count = this.clip.frames;
    const distance = (other) => (other - this.index + count) % count;
    while (this.pictures.size >= KEPT) {
      const [oldest] = [...this.pictures.keys()].sort((a, b) => distance(b) - distance(a));
      if (oldest === index || oldest === this.index) return;
      this.pictures.get(oldest).then((image) => image?.close());
      this.pictures.delete(oldest);
    }
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  pause() {
    this.playing = false;
    this.onState();
  }

  async play() {
    if (!this.clip || this.clip.frames < 2) return;
    const clip = this.clip;
    this.playing = true;
    this.onState();
    let due = performance.now();
    while (this.playing && clip === this.clip) {
      due = Math.max(due + 1000 / clip.fps, performance.now() - 1000 / clip.fps);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
      if (this.playing && clip === this.clip) await this.seek((this.index + 1) % clip.frames);
    }
  }
}
