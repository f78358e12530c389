// What lanes look like: bars, crowds, curves, film and ruler, drawn on canvases over the window `scope` of time.
const Paint = (() => {
  const ROW = 19;
  const CURVE = 40;
  const FILM = SHAPE < 1 ? 72 : 46;
  const CROWD = 2000;
  const MANY_PICTURES = 400;
  const scope = { from: FROM, to: TO, width: 1, marks: [], picked: null };
  const probe = make('span', { hidden: true });
  const colours = new Map();
  let film = [];

  function colour(name) {
    if (!colours.has(name)) {
      probe.style.color = `var(${name})`;
      colours.set(name, getComputedStyle(probe).color);
    }
    return colours.get(name);
  }

  const x = (ms) => ((ms - scope.from) / (scope.to - scope.from)) * scope.width;
  const when = (px) => scope.from + (px / scope.width) * (scope.to - scope.from);
  const heightOf = (lane) => (lane.film ? FILM : lane.ruler ? 22 : lane.curve ? CURVE : lane.rows * ROW + 5);

  function sized(lane) {
    const ratio = devicePixelRatio || 1;
    const height = heightOf(lane);
    const canvas = lane.canvas;
    if (canvas.width !== Math.round(scope.width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(scope.width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
    }
    const pen = canvas.getContext('2d');
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, scope.width, height);
    pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    pen.textBaseline = 'middle';
    return [pen, height];
  }

  function ticks() {
    const steps = [100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5];
    return steps.find((s) => (s / (scope.to - scope.from)) * scope.width >= 76) || 72e5;
  }

  function drawRuler(lane) {
    const [pen, height] = sized(lane);
    const step = ticks();
    pen.fillStyle = colour('--faint');
    for (let t = Math.ceil(scope.from / step) * step; t <= scope.to; t += step) {
      pen.fillRect(Math.round(x(t)), height - 5, 1, 5);
      const label = clock(t, step < 1000);
      const room = Math.round(x(t)) + 4 + pen.measureText(label).width < scope.width;
      if (room) pen.fillText(label, Math.round(x(t)) + 4, height / 2);
    }
    pen.fillStyle = colour('--found');
    for (const ms of scope.marks) if (ms >= scope.from && ms <= scope.to) pen.fillRect(Math.round(x(ms)) - 1, 0, 3, 7);
  }

  function drawFilm(lane) {
    const [pen, height] = sized(lane);
    const step = Math.round(height * SHAPE);
    pen.fillStyle = colour('--sunk');
    pen.fillRect(0, 0, scope.width, height);
    for (let left = 0; left < scope.width; left += step) {
      const image = pictureAt(when(Math.min(scope.width - 1, left + step / 2)), film)?.image;
      if (!image?.naturalWidth) continue;
      const fit = Math.min(step / image.naturalWidth, height / image.naturalHeight);
      const [w, h] = [image.naturalWidth * fit, image.naturalHeight * fit];
      pen.drawImage(image, left + (step - w) / 2, (height - h) / 2, w - 1, h);
    }
  }

  // Returns where the bar's text ends, so that the next one in the row keeps clear of it.
  function drawBar(pen, item, top, strong, taken) {
    const left = Math.max(-2, x(item.s));
    const size = Math.max(1.5, Math.min(scope.width + 2, x(item.e)) - left);
    const tone = colour(item.color);
    pen.globalAlpha = size < 4 ? 0.75 : strong ? 0.45 : 0.2;
    pen.fillStyle = tone;
    pen.fillRect(left, top, item.thin && size > 2 ? size - 1 : size, ROW - 3);
    pen.globalAlpha = 1;
    if (size >= 4) pen.fillRect(left, top, 2, ROW - 3);
    if (strong) {
      pen.strokeStyle = tone;
      pen.strokeRect(left + 0.5, top + 0.5, size - 1, ROW - 4);
    }
    const start = Math.max(0, left) + 6;
    const text = start > taken ? fitting(pen, item.text, left + size - start - 3) : '';
    if (!text) return taken;
    pen.fillStyle = colour('--ink');
    pen.fillText(text, start, top + ROW / 2 - 1);
    return start + pen.measureText(text).width + 4;
  }

  // `text` cut to `room` pixels, or nothing where the cut would leave less than three letters.
  function fitting(pen, text, room) {
    if (room < 8) return '';
    const some = text.slice(0, Math.ceil(room / 3));
    const size = pen.measureText(some).width;
    if (size <= room) return some;
    const most = Math.floor((some.length * (room - 9)) / size);
    return most < 3 ? '' : `${some.slice(0, most).trimEnd()}…`;
  }

  function drawBars(pen, items) {
    const taken = [];
    for (const item of items) taken[item.row] = drawBar(pen, item, 3 + item.row * ROW, isPicked(item), taken[item.row] ?? -1);
  }

  // Too many to tell apart: how much of each pixel they cover or, for shots, how often they begin.
  function drawCrowd(pen, items, rhythm) {
    const cover = new Map();
    for (const item of items) {
      const name = `${item.row} ${item.color}`;
      if (!cover.has(name)) cover.set(name, new Float32Array(Math.ceil(scope.width) + 1));
      const columns = cover.get(name);
      if (rhythm) {
        if (item.s >= scope.from) columns[Math.floor(x(item.s))] += 1;
        continue;
      }
      const [a, b] = [Math.max(0, x(item.s)), Math.min(scope.width, x(item.e))];
      for (let i = Math.floor(a); i <= Math.floor(b); i++) columns[i] += Math.min(i + 1, b) - Math.max(i, a);
    }
    for (const [name, columns] of cover) {
      const [row, tone] = name.split(' ');
      pen.fillStyle = colour(tone);
      const most = rhythm ? Math.max(...columns) : 1;
      columns.forEach((part, i) => {
        if (part <= 0) return;
        pen.globalAlpha = 0.12 + 0.6 * Math.min(1, part / most);
        pen.fillRect(i, 3 + Number(row) * ROW, 1, ROW - 3);
      });
    }
    pen.globalAlpha = 1;
  }

  function drawCurve(pen, lane, height) {
    const level = (v) => height - 3 - clamp((v - lane.low) / (lane.high - lane.low), 0, 1) * (height - 6);
    const first = Math.max(0, lastUpTo(lane.curve, scope.from, (p) => p[0]));
    const last = Math.min(lane.curve.length, lastUpTo(lane.curve, scope.to, (p) => p[0]) + 2);
    if (first >= last) return;
    const path = new Path2D();
    const stride = Math.max(1, Math.floor((last - first) / (scope.width * 1.5)));
    path.moveTo(x(lane.curve[first][0]), height);
    let end = first;
    for (let i = first; i < last; i += stride) {
      let peak = lane.curve[i][1];
      for (let j = i + 1; j < Math.min(i + stride, last); j++) peak = Math.max(peak, lane.curve[j][1]);
      path.lineTo(x(lane.curve[i][0]), level(peak));
      end = i;
    }
    path.lineTo(x(lane.curve[end][0]), height);
    pen.fillStyle = colour(lane.color);
    pen.globalAlpha = 0.22;
    pen.fill(path);
    pen.globalAlpha = 0.85;
    pen.strokeStyle = colour(lane.color);
    pen.lineWidth = 1;
    pen.stroke(path);
    pen.globalAlpha = 1;
  }

  function hatch(pen, left, right, height) {
    pen.save();
    pen.beginPath();
    pen.rect(left, 1, right - left, height - 2);
    pen.clip();
    pen.fillStyle = colour('--sunk');
    pen.fillRect(left, 0, right - left, height);
    pen.strokeStyle = colour('--hatch');
    pen.lineWidth = 1;
    pen.beginPath();
    for (let at = left - (left % 7) - height; at < right; at += 7) {
      pen.moveTo(at, height);
      pen.lineTo(at + height, 0);
    }
    pen.stroke();
    pen.restore();
  }

  function plate(pen, text, left, height, room) {
    const size = Math.min(pen.measureText(text).width + 12, room);
    if (size < 30) return;
    pen.fillStyle = colour('--paper');
    pen.fillRect(left, height / 2 - 8, size, 16);
    pen.fillStyle = colour('--warn');
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, size - 4, height);
    pen.clip();
    pen.fillText(text, left + 6, height / 2);
    pen.restore();
  }

  function drawLane(lane) {
    const [pen, height] = sized(lane);
    if (lane.lost) {
      hatch(pen, 0, scope.width, height);
      plate(pen, `missing: ${lane.reason}`, 8, height, scope.width - 16);
      return;
    }
    const visible = lane.items.filter((i) => i.e >= scope.from && i.s <= scope.to);
    if (lane.curve) for (const i of visible) {
      pen.fillStyle = colour('--sunk');
      pen.fillRect(x(i.s), 2, x(i.e) - x(i.s), height - 4);
    }
    if (lane.curve) drawCurve(pen, lane, height);
    else if (visible.length > Math.min(CROWD, scope.width)) drawCrowd(pen, visible, lane.rhythm);
    else drawBars(pen, visible);
    for (const [s, e] of lane.gaps) if (e > scope.from && s < scope.to) {
      const [a, b] = [Math.max(0, x(s)), Math.min(scope.width, x(e))];
      hatch(pen, a, b, height);
      plate(pen, 'not analysed', a + 6, height, b - a - 12);
    }
    if (!lane.items.length && !lane.gaps.length && !lane.curve?.length) {
      pen.fillStyle = colour('--faint');
      pen.fillText('nothing found', 2, height / 2);
    }
  }

  function isPicked(item) {
    const { picked } = scope;
    const same = picked && item.ev && picked[0] === item.ev[0] && picked[1] !== null && picked[1] === item.ev[1];
    return same && item.s <= Player.now + 1 && item.e >= Player.now - 1;
  }

  function loadFilm(ready) {
    const story = PICTURES.filter((p) => p.shot === undefined);
    film = (PICTURES.length <= MANY_PICTURES || !story.length ? PICTURES : story).map((p) => ({ ms: p.ms, image: new Image(), picture: p }));
    for (const { image, picture } of film) {
      image.onload = ready;
      image.src = source(picture);
    }
  }

  return {
    ROW,
    scope,
    x,
    when,
    loadFilm,
    lane: (lane) => (lane.ruler ? drawRuler(lane) : lane.film ? drawFilm(lane) : drawLane(lane)),
    forgetColours: () => colours.clear(),
    start: (box) => box.append(probe),
  };
})();
