const show = (facts) => {
  for (const [name, value] of Object.entries(facts)) {
    const element = document.getElementById(name);
    if (element) element.textContent = value;
  }
};
fetch('/api/status').then((response) => response.json()).then(show);
new EventSource('/api/events').onmessage = (event) => show(JSON.parse(event.data));
