// Verdicts, bars and swimlanes of the expressions.

const SVG = 'http://www.w3.org/2000/svg';

function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// One row: a switch with the expression and its verdict, a bar, and a lane.
export class Row {
  constructor(result, index, fps, { onToggle, onSeek }) {
    this.consensus = result.consensus[index];
    this.judged = result.judged;
    this.areas = result.areas[index];
    this.text = result.texts[index];
    this.node = element('li', 'row');
    this.node.style.setProperty('--colour', `var(--c${index % 8})`);
    this.node.append(this.makeName(onToggle), this.makeBar(), this.makeLane(result, index, onSeek));
  }

  makeName(onToggle) {
    const label = element('label', 'name');
    this.box = element('input');
    this.box.type = 'checkbox';
    this.box.checked = true;
    this.box.addEventListener('change', () => {
      this.node.classList.toggle('off', !this.box.checked);
      onToggle();
    });
    const words = element('span', 'words', this.text);
    this.badge = element('span', 'badge');
    const both = element('span');
    both.append(words, element('br'), this.badge);
    label.append(this.box, both);
    return label;
  }

  makeBar() {
    this.bar = element('div', 'bar');
    this.bar.setAttribute('role', 'img');
    const fill = element('div', 'fill');
    fill.style.width = `${100 * this.consensus}%`;
    this.limit = element('div', 'limit');
    this.bar.append(fill, this.limit, element('span', 'value', this.consensus.toFixed(2)));
    return this.bar;
  }

  makeLane(result, index, onSeek) {
    const count = this.areas.length;
    const highest = Math.max(...this.areas, 1e-9);
    this.lane = element('div', 'lane');
    this.lane.setAttribute('role', 'img');
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${count} 1`);
    svg.setAttribute('preserveAspectRatio', 'none');
    this.areas.forEach((area, frame) => {
      if (!area) return;
      const height = 0.15 + 0.8 * Math.sqrt(area / highest);
      const block = document.createElementNS(SVG, 'rect');
      const size = { x: frame, y: 1 - height, width: 1, height };
      Object.entries(size).forEach(([name, value]) => block.setAttribute(name, value));
      block.setAttribute('opacity', (0.3 + 0.7 * result.scores[index][frame]).toFixed(2));
      svg.append(block);
    });
    const struck = element('div', 'struck');
    struck.append(element('span', '', 'rejected'));
    this.head = element('div', 'head-line');
    this.lane.append(svg, struck, this.head);
    this.lane.addEventListener('click', (event) => {
      const box = this.lane.getBoundingClientRect();
      onSeek(Math.min(count - 1, Math.floor(((event.clientX - box.left) / box.width) * count)));
    });
    return this.lane;
  }

  // Whether the object is in the clip, at the threshold of the slider.
  gate(threshold) {
    this.found = !this.judged || this.consensus >= threshold;
    this.node.classList.toggle('found', this.found);
    this.badge.textContent = this.found ? '✓ in the clip' : '✗ not in the clip';
    this.limit.style.left = `${100 * threshold}%`;
    this.bar.setAttribute(
      'aria-label',
      `Consensus ${this.consensus.toFixed(2)}, threshold ${threshold.toFixed(2)}`,
    );
    const frames = this.areas.filter((area) => area > 0).length;
    this.lane.setAttribute(
      'aria-label',
      `${this.found ? '' : 'Rejected; '}mask in ${frames} of ${this.areas.length} frames`,
    );
  }

  // Put the playhead in the middle of a frame.
  point(frame) {
    this.head.style.left = `${(100 * (frame + 0.5)) / this.areas.length}%`;
  }

  get shown() {
    return this.box.checked;
  }
}
