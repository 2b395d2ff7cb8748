// SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
// SPDX-License-Identifier: Apache-2.0
// Pictures, videos and arrays: files in, parts of a request out.
//
// A medium is {kind: 'image' | 'video' | 'features', name, frames: [data: URIs]};
// all but videos have one frame, which of features is a whole .npy file.

const LARGE = 1 << 20; // bytes of a picture that is sent as it came
const SIDE = 1024; // pixels of the longer side of one that is larger
const FRAME_SIDE = 512; // and of a frame
const QUALITY = 0.9;
const PATIENCE = 10_000; // milliseconds that a browser has for a frame

// Of a video, set to what the server reads of one.
const sampling = {frames: 8, fps: 1};

/** How many frames of a video are taken, and how many per second. */
export function setSampling({frames, fps}) {
  sampling.frames = frames ?? sampling.frames;
  sampling.fps = fps ?? sampling.fps;
}

/** The part of a request that shows a medium. */
export function mediumPart({kind, frames}) {
  if (kind === 'image') {
    return {type: 'image_url', image_url: {url: frames[0]}};
  }
  if (kind === 'features') {
    return {type: 'features_url', features_url: {url: frames[0]}};
  }
  const encoded = frames.map((frame) => frame.slice(frame.indexOf(',') + 1));
  const url = `data:video/jpeg;base64,${encoded.join(',')}`;
  return {type: 'video_url', video_url: {url}};
}

/** A medium of a part of an episode. */
export function mediumOf(part, name) {
  return {kind: 'image', name, frames: [part.image_url.url]};
}

/** The files of a drop or of the clipboard. */
export function filesOf(transfer) {
  return [...(transfer?.files ?? [])];
}

/** A file as a medium; throws an Error with a sentence if it is none. */
export async function readMedium(file) {
  const {name, type} = file;
  if (type.startsWith('video/')) {
    return {kind: 'video', name, frames: await framesOf(file)};
  }
  if (name.endsWith('.npy')) {
    return {kind: 'features', name, frames: [await dataUri(file)]};
  }
  if (type && !type.startsWith('image/')) {
    throw new Error(`${name} is no picture, video or .npy file (${type}).`);
  }
  const url = file.size > LARGE ? await smaller(file) : await dataUri(file);
  return {kind: 'image', name, frames: [url]};
}

function dataUri(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} can't be read.`));
    reader.readAsDataURL(file);
  });
}

async function smaller(file) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    throw new Error(
      `${file.name} is too large to be sent as it is, and your browser can't ` +
      'make it smaller, as it reads no picture in it.',
    );
  }
  return encode(picture, picture.width, picture.height, SIDE);
}

function encode(source, width, height, side) {
  const scale = Math.min(1, side / Math.max(width, height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext('2d');
  context.fillStyle = 'white'; // behind what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', QUALITY);
}

async function framesOf(file) {
  const video = document.createElement('video');
  const url = URL.createObjectURL(file);
  video.muted = true;
  video.preload = 'auto';
  try {
    video.src = url;
    await once(video, 'loadeddata');
    const frames = [];
    for (const time of times(video.duration)) {
      video.currentTime = time;
      await once(video, 'seeked');
      const {videoWidth, videoHeight} = video;
      frames.push(encode(video, videoWidth, videoHeight, FRAME_SIDE));
    }
    return frames;
  } catch {
    throw new Error(
      `Your browser can't read ${file.name}: use an MP4 (H.264) or a WebM.`,
    );
  } finally {
    video.removeAttribute('src');
    URL.revokeObjectURL(url);
  }
}

// As flamingo_jax/data/video.py: from 0 on, or evenly over a longer video.
function times(duration) {
  const {frames, fps} = sampling;
  if (!Number.isFinite(duration)) { // of a recording that was not closed
    return [0];
  }
  const step = Math.max(1 / fps, duration / frames);
  const all = Array.from({length: frames}, (_, i) => i * step);
  return all.filter((time) => time === 0 || time < duration);
}

function once(video, event) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, PATIENCE);
    const settle = (done) => () => {
      clearTimeout(timer);
      done();
    };
    video.addEventListener(event, settle(resolve), {once: true});
    video.addEventListener('error', settle(reject), {once: true});
  });
}
