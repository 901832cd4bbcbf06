document.title = "hi";
