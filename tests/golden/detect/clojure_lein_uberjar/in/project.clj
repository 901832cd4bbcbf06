(defproject shop "0.1.0-SNAPSHOT"
  :dependencies [[org.clojure/clojure "1.11.3"]
                 [compojure "1.7.1"]
                 [ring/ring-jetty-adapter "1.12.2"]
                 [org.postgresql/postgresql "42.7.3"]]
  :main ^:skip-aot shop.core
  :target-path "target/%s"
  :profiles {:uberjar {:aot :all}})
