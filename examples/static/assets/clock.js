const now = document.getElementById('now');
const show = () => { now.textContent = new Date().toLocaleTimeString(); };
show();
setInterval(show, 1000);
