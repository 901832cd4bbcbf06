document.getElementById("root").textContent = "music";
