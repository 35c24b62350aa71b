// Requests to the server. Every function throws an Error whose message is one line for the page.

export async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('the server does not answer: is it still running?');
  }
  const content = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Error(content.error ?? `the server answered ${answer.status}`);
  return content;
}

export function send(path, content) {
  return request(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(content),
  });
}

// Upload a file; fetch has no progress of uploads.
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open('POST', `api/clips?name=${encodeURIComponent(file.name)}`);
    call.setRequestHeader('Content-Type', 'application/octet-stream');
    call.responseType = 'json';
    call.upload.onprogress = (event) => onProgress(event.loaded / Math.max(event.total, 1));
    call.onerror = () => reject(new Error('the upload was interrupted: try again'));
    call.onload = () => {
      if (call.status < 300 && call.response) resolve(call.response);
      else reject(new Error(call.response?.error ?? `the server answered ${call.status}`));
    };
    call.send(file);
  });
}

// Call onChange with each state of a job until it is final; return that state.
export function follow(key, onChange) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`api/jobs/${key}/events`);
    source.onmessage = (event) => {
      const job = JSON.parse(event.data);
      onChange(job);
      if (['done', 'failed', 'cancelled'].includes(job.state)) {
        source.close();
        resolve(job);
      }
    };
    source.onerror = () => {
      source.close();
      reject(new Error('the connection to the server was lost: is it still running?'));
    };
  });
}
