//! The bus: the log on Kafka, and followers fed from Kafka.
