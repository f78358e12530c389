// The picture to open with where the video itself begins in the dark: the first key frame that is none of it.
const Poster = (() => {
  const DARK = 20;
  const SIDE = 16;
  const TRIED = 12;
  const frames = PICTURES.filter((p) => p.shot !== undefined);

  // The mean of its green, from 0 to 255.
  async function light(picture) {
    const image = new Image();
    image.src = source(picture);
    await image.decode();
    const canvas = make('canvas', { width: SIDE, height: SIDE });
    const pen = canvas.getContext('2d');
    pen.drawImage(image, 0, 0, SIDE, SIDE);
    const values = pen.getImageData(0, 0, SIDE, SIDE).data;
    let sum = 0;
    for (let i = 1; i < values.length; i += 4) sum += values[i];
    return sum / SIDE ** 2;
  }

  return {
    first: frames[0] || PICTURES[0] || null,
    async find() {
      const start = pictureAt(FROM);
      if (!start || (await light(start)) >= DARK) return null;
      for (const frame of frames.slice(0, TRIED)) if ((await light(frame)) >= DARK) return frame;
      return null;
    },
  };
})();
