#include "build/python_names.h"

namespace slipway {
namespace {

struct PythonName {
  std::string_view module, package;
};
constexpr PythonName python_names[] = {
    {"yaml", "pyyaml"},
    {"cv2", "opencv-python-headless"},
    {"PIL", "pillow"},
    {"sklearn", "scikit-learn"},
    {"skimage", "scikit-image"},
    {"bs4", "beautifulsoup4"},
    {"dotenv", "python-dotenv"},
    {"psycopg2", "psycopg2-binary"},
    {"psycopg", "psycopg[binary]"},
    {"jwt", "pyjwt"},
    {"jose", "python-jose"},
    {"dateutil", "python-dateutil"},
    {"MySQLdb", "mysqlclient"},
    {"Crypto", "pycryptodome"},
    {"OpenSSL", "pyopenssl"},
    {"serial", "pyserial"},
    {"discord", "discord.py"},
    {"telegram", "python-telegram-bot"},
    {"multipart", "python-multipart"},
    {"fitz", "pymupdf"},
    {"docx", "python-docx"},
    {"pptx", "python-pptx"},
    {"magic", "python-magic"},
    {"git", "gitpython"},
    {"zmq", "pyzmq"},
    {"dns", "dnspython"},
    {"slugify", "python-slugify"},
    {"socketio", "python-socketio"},
    {"engineio", "python-engineio"},
    {"rest_framework", "djangorestframework"},
    {"corsheaders", "django-cors-headers"},
    {"environ", "django-environ"},
    {"decouple", "python-decouple"},
    {"attr", "attrs"},
    {"google.generativeai", "google-generativeai"},
    {"google.genai", "google-genai"},
    {"pkg_resources", "setuptools"},
    {"flask_cors", "flask-cors"},
    {"flask_sqlalchemy", "flask-sqlalchemy"},
    {"usb", "pyusb"},
    {"ldap", "python-ldap"},
    {"win32api", "pywin32"},
    {"github", "pygithub"},
    {"websocket", "websocket-client"},
    {"faiss", "faiss-cpu"},
    {"llama_index", "llama-index"},
    {"whois", "python-whois"},
};

}  // namespace

std::string_view python_package(std::string_view import_name) {
  for (const PythonName& row : python_names)
    if (row.module == import_name) return row.package;
  const auto dot = import_name.find('.');
  return dot == std::string_view::npos ? import_name : python_package(import_name.substr(0, dot));
}

}  // namespace slipway
