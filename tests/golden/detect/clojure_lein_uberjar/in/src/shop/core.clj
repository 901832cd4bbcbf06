(ns shop.core (:gen-class))
(defn -main [] (run-jetty app {:port (Integer/parseInt (System/getenv "PORT"))}))
